//! Tables of rollouts.

diesel::table! {
    rollouts (id) {
        id -> Text,
        state -> Text,
        profile -> Text,
        revision -> BigInt,
        selector -> Text,
        who -> Text,
        made -> BigInt,
        ended -> Nullable<BigInt>,
        total -> BigInt,
        head -> Text,
        request -> Nullable<Text>,
        request_hash -> Text,
        sealed -> Nullable<Text>,
        master_key -> Nullable<Text>,
        epoch -> BigInt,
    }
}
diesel::table! {
    rollout_members (rollout, n) {
        rollout -> Text,
        n -> BigInt,
        node -> Text,
        phase -> Text,
        wave -> Nullable<BigInt>,
        before_profile -> Nullable<Text>,
        before_revision -> Nullable<BigInt>,
        content -> Text,
    }
}
diesel::table! {
    rollout_actions (rollout, id) {
        rollout -> Text,
        id -> Text,
        n -> BigInt,
        node -> Text,
        kind -> Text,
        state -> Text,
        message -> Text,
        attempts -> BigInt,
        due -> BigInt,
        deadline -> BigInt,
    }
}
diesel::table! {
    reboot_requests (boot) {
        boot -> Text,
        reason -> Text,
        made -> BigInt,
    }
}
