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
