//! The lab's tests: whole servers, virtual machines on real firmware, and a real network. One module a test, named as
//! the test is: `make lab TEST=boot_bios`. They must assert on stored state and on consoles, never on timing alone.

mod apply_git;
mod bmc_console;
mod bmc_enrol_csv;
mod bmc_first_boot;
mod bmc_hostile;
mod bmc_redfish;
mod boot_bios;
mod boot_large;
mod boot_uefi;
mod boots_at_all;
mod cable_moved;
mod corrupt_blob;
mod dhcp;
mod duplicate_uuid;
mod enrol_survives_kill;
mod firmware_update;
mod hardware_change;
mod image_gc;
mod installer_local_disk;
mod inventory_values;
mod job_survives_kill;
mod lldp_fast;
mod lldp_oracle;
mod main_way;
mod neighbours;
mod never_up;
mod oci_image;
mod parking;
mod pxe;
mod rollout_rollback;
mod s3_images;
mod server_killed;
mod steps;
mod tftp;
mod two_nodes;
