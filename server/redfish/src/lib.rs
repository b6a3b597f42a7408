//! A thin Redfish client. Under construction.
