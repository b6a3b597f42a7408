//! Tables of secrets that people name, and of who names them.

diesel::table! {
    secrets (name) {
        name -> Text,
        id -> Text,
        revision -> BigInt,
        fingerprint -> Text,
        is_hash -> Bool,
        size -> BigInt,
        sealed -> Text,
        master_key -> Text,
        created -> BigInt,
        changed -> BigInt,
        changed_by -> Text,
    }
}
diesel::table! {
    profile_secrets (profile, revision, secret) {
        profile -> Text,
        revision -> BigInt,
        secret -> Text,
        password -> Bool,
    }
}
diesel::table! {
    stale_secrets (secret) {
        secret -> Text,
        epoch -> BigInt,
    }
}
