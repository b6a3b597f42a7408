//! Pages for people, on the HTTPS listener. They call the same use cases as the API; templates have no logic.

use crate::http::routes::Route;

/// The pages: appended to the HTTPS listener's table, and guarded like everything in it.
pub fn routes() -> Vec<Route> {
    Vec::new()
}
