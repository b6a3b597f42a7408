//! The tables of both databases (migrations/): one description, since names and kinds of columns are the same.

mod bmc;
mod dhcp;
mod people;
mod plan;
mod rollout;
mod sealed;

pub use bmc::*;
pub use dhcp::*;
pub use people::{sessions, settings, tokens};
pub use plan::*;
pub use rollout::*;
pub use sealed::*;

diesel::table! {
    blobs (sha256) {
        sha256 -> Text,
        size -> BigInt,
        created -> BigInt,
    }
}
diesel::table! {
    blob_claims (sha256) {
        sha256 -> Text,
        kind -> Text,
        until -> BigInt,
    }
}
diesel::table! {
    boot_events (boot, seq) {
        boot -> Text,
        seq -> BigInt,
        at -> BigInt,
        step -> Text,
        state -> Text,
        message -> Text,
        received -> BigInt,
    }
}
diesel::table! {
    boots (id) {
        id -> Text,
        node -> Text,
        phase -> Text,
        session_hash -> Text,
        callback_hash -> Nullable<Text>,
        http_base -> Text,
        profile -> Nullable<Text>,
        revision -> Nullable<BigInt>,
        image -> Nullable<Text>,
        plan_hash -> Nullable<Text>,
        started -> BigInt,
        deadline -> Nullable<BigInt>,
        up -> Nullable<BigInt>,
        heartbeat -> Nullable<BigInt>,
        last_step -> Nullable<Text>,
        failed_step -> Nullable<Text>,
        failed_reason -> Nullable<Text>,
        os -> Nullable<Text>,
        address -> Nullable<Text>,
    }
}
diesel::table! {
    expected_cabling (position) {
        position -> BigInt,
        node -> Text,
        serial -> Text,
        nic -> Text,
        switch -> Text,
        port -> Text,
    }
}
diesel::table! {
    firmware_attempts (id) {
        id -> Text,
        node -> Text,
        boot -> Text,
        rule -> Text,
        component -> Text,
        subject -> Text,
        wanted -> Text,
        n -> BigInt,
        found_before -> Text,
        found_after -> Nullable<Text>,
        blob -> Text,
        program -> Text,
        started -> BigInt,
        deadline -> BigInt,
        reported -> Nullable<BigInt>,
        exit_status -> Text,
        output -> Text,
        ended -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        cleared -> Nullable<BigInt>,
    }
}
diesel::table! {
    firmware_rules (name) {
        name -> Text,
        position -> BigInt,
        component -> Text,
        vendor -> Text,
        model -> Text,
        wanted -> Text,
        allowed -> Text,
        mode -> Text,
        on_failure -> Text,
        blob -> Nullable<Text>,
        program -> Nullable<Text>,
        changed -> BigInt,
    }
}
diesel::table! {
    first_stages (seq) {
        seq -> BigInt,
        arch -> Text,
        kernel -> Text,
        initramfs -> Text,
        kernel_package -> Text,
        agent_version -> Text,
        drivers -> Text,
        kernel_size -> BigInt,
        initramfs_size -> BigInt,
        created -> BigInt,
    }
}
diesel::table! {
    image_parts (name, version, role) {
        name -> Text,
        version -> Text,
        role -> Text,
        sha256 -> Text,
        size -> BigInt,
    }
}
diesel::table! {
    images (name, version) {
        name -> Text,
        version -> Text,
        arch -> Text,
        cmdline -> Text,
        kernel_release -> Text,
        created -> BigInt,
        made_by -> Text,
        notes -> Text,
        recipe -> Text,
        contents -> Nullable<Text>,
    }
}
diesel::table! {
    image_labels (name, label) {
        name -> Text,
        label -> Text,
        version -> Text,
        moved_by -> Text,
        moved -> BigInt,
    }
}
diesel::table! {
    inventory_reports (node) {
        node -> Text,
        json -> Text,
        at -> BigInt,
    }
}
diesel::table! {
    job_items (job, n) {
        job -> Text,
        n -> BigInt,
        node -> Text,
        state -> Text,
        claimed_by -> Nullable<Text>,
        lease_until -> Nullable<BigInt>,
        attempts -> BigInt,
        message -> Text,
        started -> Nullable<BigInt>,
        ended -> Nullable<BigInt>,
    }
}
diesel::table! {
    jobs (id) {
        id -> Text,
        action -> Text,
        selector -> Text,
        who -> Text,
        made -> BigInt,
        stagger -> BigInt,
        parallel -> BigInt,
        total -> BigInt,
        state -> Text,
        request -> Nullable<Text>,
        request_hash -> Text,
        next_start -> BigInt,
        started -> Nullable<BigInt>,
        cancelled_by -> Nullable<Text>,
        ended -> Nullable<BigInt>,
    }
}
diesel::table! {
    links (id) {
        id -> Text,
        node -> Text,
        mac -> Text,
        interface -> Text,
        chassis_id -> Text,
        chassis_id_type -> Text,
        port_id -> Text,
        port_id_type -> Text,
        accepted -> Bool,
        boot -> Text,
        first_seen -> BigInt,
        last_seen -> BigInt,
        ended -> Nullable<BigInt>,
    }
}
diesel::table! {
    inventory_versions (node, version) {
        node -> Text,
        version -> BigInt,
        hash -> Text,
        json -> Text,
        size -> BigInt,
        unread -> Text,
        changes -> BigInt,
        at -> BigInt,
        last_seen -> BigInt,
    }
}
diesel::table! {
    neighbours (node, position) {
        node -> Text,
        position -> BigInt,
        interface -> Text,
        chassis_id -> Text,
        port_id -> Text,
        system_name -> Text,
        json -> Text,
        at -> BigInt,
    }
}
diesel::table! {
    node_aliases (uuid) {
        uuid -> Text,
        node -> Text,
    }
}
diesel::table! {
    node_events (id) {
        id -> Text,
        node -> Text,
        kind -> Text,
        severity -> Text,
        subject -> Text,
        message -> Text,
        at -> BigInt,
        cleared -> Nullable<BigInt>,
        acknowledged -> Nullable<BigInt>,
        acknowledged_by -> Nullable<Text>,
    }
}
diesel::table! {
    node_facts (node) {
        node -> Text,
        version -> BigInt,
        json -> Text,
        at -> BigInt,
    }
}
diesel::table! {
    node_firmware (node) {
        node -> Text,
        state -> Text,
        action -> Text,
        reason -> Text,
        components -> Text,
        rules -> BigInt,
    }
}
diesel::table! {
    node_identities (node) {
        node -> Text,
        source -> Text,
        claimed -> Text,
        told -> Nullable<Text>,
        merge_candidate -> Nullable<Text>,
    }
}
diesel::table! {
    node_macs (node, mac) {
        node -> Text,
        mac -> Text,
    }
}
diesel::table! {
    node_nics (node, position) {
        node -> Text,
        position -> BigInt,
        name -> Text,
        mac -> Text,
    }
}
diesel::table! {
    nodes (uuid) {
        uuid -> Text,
        admission -> Text,
        hostname -> Text,
        profile -> Nullable<Text>,
        maintenance -> Bool,
        retired -> Bool,
        manufacturer -> Text,
        product -> Text,
        serial -> Text,
        boot_mac -> Nullable<Text>,
        boot -> Nullable<Text>,
        inventory_hash -> Nullable<Text>,
        first_seen -> BigInt,
        last_seen -> BigInt,
        admitted_by -> Nullable<Text>,
        admitted_at -> Nullable<BigInt>,
        cluster -> Nullable<Text>,
        planned -> Nullable<Text>,
        plan_epoch -> BigInt,
        planned_by -> Nullable<BigInt>,
        tags -> Text,
        rule_tags -> Text,
        held -> Text,
        profile_revision -> Nullable<BigInt>,
    }
}
diesel::table! {
    offers (nonce_hash) {
        nonce_hash -> Text,
        node -> Nullable<Text>,
        mac -> Nullable<Text>,
        http_base -> Text,
        created -> BigInt,
        expires -> BigInt,
        bound_credential -> Nullable<Text>,
        bound_boot -> Nullable<Text>,
        told_uuid -> Nullable<Text>,
        told_manufacturer -> Text,
        told_product -> Text,
        told_serial -> Text,
    }
}
diesel::table! {
    profile_revisions (profile, revision) {
        profile -> Text,
        revision -> BigInt,
        image_name -> Text,
        image_version -> Text,
        spec -> Text,
        created -> BigInt,
        parent -> Nullable<Text>,
        words -> Text,
        made_by -> Text,
    }
}
diesel::table! {
    profiles (name) {
        name -> Text,
        revision -> BigInt,
        parent -> Nullable<Text>,
        active -> BigInt,
        activated -> BigInt,
    }
}
diesel::table! {
    rules (name) {
        name -> Text,
        position -> BigInt,
        spec -> Text,
    }
}
diesel::table! {
    switch_ports (chassis_id, chassis_id_type, port_id, port_id_type) {
        chassis_id -> Text,
        chassis_id_type -> Text,
        port_id -> Text,
        port_id_type -> Text,
        description -> Text,
        pvid -> BigInt,
        first_seen -> BigInt,
        last_seen -> BigInt,
    }
}
diesel::table! {
    switches (chassis_id, chassis_id_type) {
        chassis_id -> Text,
        chassis_id_type -> Text,
        name -> Text,
        description -> Text,
        addresses -> Text,
        first_seen -> BigInt,
        last_seen -> BigInt,
    }
}
diesel::table! {
    address_sightings (address, mac) {
        address -> Text,
        mac -> Text,
        node -> Nullable<Text>,
        at -> BigInt,
        conflict -> Bool,
    }
}
diesel::table! {
    addresses (pool, key) {
        pool -> Text,
        key -> Text,
        address -> Text,
        node -> Text,
        kind -> Text,
        since -> BigInt,
        released -> Nullable<BigInt>,
        device -> Text,
    }
}
diesel::table! {
    pools (name) {
        name -> Text,
        kind -> Text,
        cluster -> Text,
        spec -> Text,
        hint -> Text,
        changed -> BigInt,
    }
}
diesel::table! {
    enrolment_uuids (enrolment, uuid) {
        enrolment -> Text,
        uuid -> Text,
    }
}
diesel::allow_tables_to_appear_in_same_query!(
    address_sightings,
    addresses,
    blob_claims,
    blobs,
    bmc_credentials,
    boot_events,
    boot_exchanges,
    boots,
    dhcp_leases,
    node_dhcp,
    enrolment_uuids,
    enrolments,
    expected_cabling,
    firmware_attempts,
    firmware_rules,
    first_stages,
    image_labels,
    image_parts,
    images,
    job_items,
    jobs,
    links,
    installs,
    inventory_reports,
    inventory_versions,
    name_numbers,
    neighbours,
    node_aliases,
    node_events,
    node_facts,
    node_firmware,
    node_identities,
    node_macs,
    node_nics,
    node_tries,
    nodes,
    offers,
    own_boots,
    plans,
    pools,
    profile_revisions,
    profile_secrets,
    profiles,
    reboot_requests,
    rollout_actions,
    rollout_members,
    rollouts,
    rules,
    secrets,
    sessions,
    settings,
    stale_profiles,
    stale_secrets,
    switch_ports,
    switches,
    tokens
);
