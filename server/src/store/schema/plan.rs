//! Tables of what boots got, and of the numbers in host names.

diesel::table! {
    plans (hash) {
        hash -> Text,
        content -> Text,
        made -> BigInt,
    }
}
diesel::table! {
    name_numbers (pattern, number) {
        pattern -> Text,
        number -> BigInt,
        node -> Text,
    }
}
diesel::table! {
    stale_profiles (profile) {
        profile -> Text,
    }
}
diesel::table! {
    installs (node) {
        node -> Text,
        profile -> Text,
        revision -> BigInt,
        attempts -> BigInt,
        boot -> Text,
        token_hash -> Text,
        started -> BigInt,
        installed -> Nullable<BigInt>,
    }
}
diesel::table! {
    own_boots (node) {
        node -> Text,
        way -> Text,
        at -> BigInt,
    }
}
diesel::table! {
    node_tries (node) {
        node -> Text,
        up_profile -> Nullable<Text>,
        up_revision -> Nullable<BigInt>,
        tried_profile -> Nullable<Text>,
        tried_revision -> Nullable<BigInt>,
        tried_since -> Nullable<BigInt>,
        fallback_since -> Nullable<BigInt>,
    }
}
