//! The tables of DHCP and of what was asked of boot services, a part of [`super`]'s description: nothing but names and kinds of
//! columns.

diesel::table! {
    dhcp_leases (key) {
        key -> Text,
        address -> Text,
        subnet -> Text,
        client -> Text,
        hardware_kind -> BigInt,
        hardware -> Text,
        uuid -> Nullable<Text>,
        state -> Text,
        expires -> BigInt,
        seen -> BigInt,
        hostname -> Text,
        giaddr -> Nullable<Text>,
        option82 -> Nullable<Text>,
        circuit_id -> Nullable<Text>,
        remote_id -> Nullable<Text>,
        link_selection -> Nullable<Text>,
        server_id -> Nullable<Text>,
        updated -> BigInt,
    }
}

diesel::table! {
    node_dhcp (node) {
        node -> Text,
        spec -> Text,
        changed -> BigInt,
    }
}

diesel::table! {
    boot_exchanges (node, at, number, server) {
        node -> Text,
        at -> BigInt,
        number -> BigInt,
        server -> Text,
        service -> Text,
        what -> Text,
        result -> Text,
        detail -> Text,
        mac -> Text,
        uuid -> Text,
        client -> Text,
        address -> Text,
        interface -> Text,
        relay -> Text,
        bytes -> BigInt,
        took_us -> BigInt,
    }
}
