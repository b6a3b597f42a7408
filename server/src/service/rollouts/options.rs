//! The words of a request and what they mean, both ways.

use super::asked::program;
use crate::domain::rollout::{Hooks, Limits, Spec, command_of};
use crate::domain::{Invalid, Micros};
use crate::error::Error;
use higuma_proto::api::RolloutOptions;
use std::path::Path;

const SECOND: Micros = 1_000_000;

/// As the domain has it; what is absent has its default. Errors: the first word that makes no sense.
pub(super) fn spec(options: &RolloutOptions) -> Result<Spec, Invalid> {
    let default = Spec::default();
    let time = |seconds: Option<u32>, default: Micros| seconds.map_or(default, |s| Micros::from(s) * SECOND);
    let word = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let spec = Spec {
        waves: word(&options.waves).map(|text| text.parse()).transpose()?.unwrap_or(default.waves),
        limits: Limits {
            total: options.max_down.unwrap_or(default.limits.total),
            cluster: options.max_down_per_cluster,
            switch: options.max_down_per_switch,
            rule: options.max_down_per_rule,
        },
        up_deadline: time(options.up_within, default.up_deadline),
        soft_deadline: time(options.hard_after, default.soft_deadline),
        check: word(&options.check),
        check_deadline: time(options.check_within, default.check_deadline),
        inventory: options.inventory.unwrap_or(default.inventory),
        failures: options.max_failures.unwrap_or(default.failures),
        soak: time(options.soak, default.soak),
        windows: options.windows.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        hooks: Hooks {
            drain: word(&options.drain),
            undrain: word(&options.undrain),
            deadline: time(options.hook_within, default.hooks.deadline),
            on_deadline: word(&options.hook_deadline)
                .map(|text| text.parse())
                .transpose()?
                .unwrap_or(default.hooks.on_deadline),
        },
        rollback: options.rollback.unwrap_or(default.rollback),
    };
    spec.check()?;
    Ok(spec)
}

/// The programs that its hooks are must be there. Errors: the first that is not.
pub(super) fn check_programs(spec: &Spec, dir: Option<&Path>) -> Result<(), Error> {
    let hooks = [&spec.hooks.drain, &spec.hooks.undrain].into_iter().flatten();
    hooks.filter_map(|hook| command_of(hook)).try_for_each(|name| program(dir, name).map(drop))
}

/// As people see it, defaults included.
pub(super) fn to_wire(spec: &Spec) -> RolloutOptions {
    let seconds = |time: Micros| Some(u32::try_from(time / SECOND).unwrap_or(u32::MAX));
    let hooked = spec.hooks.any();
    RolloutOptions {
        waves: Some(spec.waves.to_string()),
        max_down: Some(spec.limits.total),
        max_down_per_cluster: spec.limits.cluster,
        max_down_per_switch: spec.limits.switch,
        max_down_per_rule: spec.limits.rule,
        up_within: seconds(spec.up_deadline),
        hard_after: seconds(spec.soft_deadline),
        check: spec.check.as_deref().map(shown),
        check_within: spec.check.as_ref().and_then(|_| seconds(spec.check_deadline)),
        inventory: Some(spec.inventory),
        max_failures: Some(spec.failures),
        soak: seconds(spec.soak),
        windows: spec.windows.iter().map(ToString::to_string).collect(),
        drain: spec.hooks.drain.as_deref().map(shown),
        undrain: spec.hooks.undrain.as_deref().map(shown),
        hook_within: hooked.then(|| seconds(spec.hooks.deadline)).flatten(),
        hook_deadline: hooked.then(|| spec.hooks.on_deadline.to_string()),
        rollback: Some(spec.rollback),
    }
}

/// For people: what follows a `=` may be a token, unless it is a word that we fill in.
fn shown(url: &str) -> String {
    let Some((address, query)) = url.split_once('?') else { return url.to_owned() };
    let one = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !(value.starts_with('{') && value.ends_with('}')) => format!("{name}=..."),
        _ => pair.to_owned(),
    };
    format!("{address}?{}", query.split('&').map(one).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_of_addresses_are_not_shown() {
        assert_eq!(shown("https://lb/x?token=abc&node={hostname}&v"), "https://lb/x?token=...&node={hostname}&v");
        assert_eq!(shown("https://lb/x"), "https://lb/x");
    }

    #[test]
    fn what_people_see_means_the_same_again() {
        let options = RolloutOptions {
            waves: Some("2,50%".into()),
            max_down_per_switch: Some(1),
            max_down_per_rule: Some(2),
            check: Some("http://{address}/".into()),
            windows: vec!["daily 01:00-02:00".into()],
            drain: Some("https://lb/".into()),
            hook_deadline: Some("go-on".into()),
            soak: Some(0),
            ..RolloutOptions::default()
        };
        let meant = spec(&options).unwrap();
        assert_eq!(spec(&to_wire(&meant)).unwrap(), meant);
        assert_eq!(spec(&RolloutOptions::default()).unwrap(), Spec::default());
        assert!(spec(&RolloutOptions { waves: Some("x".into()), ..options }).is_err());
    }
}
