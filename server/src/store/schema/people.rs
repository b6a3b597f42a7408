//! What people log in with, and what they have set.

diesel::table! {
    sessions (hash) {
        hash -> Text,
        token_name -> Text,
        expires -> BigInt,
    }
}
diesel::table! {
    settings (key) {
        key -> Text,
        value -> Text,
    }
}
diesel::table! {
    tokens (hash) {
        hash -> Text,
        name -> Text,
        created -> BigInt,
    }
}
