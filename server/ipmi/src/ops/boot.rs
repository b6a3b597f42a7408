//! The next boot device, with all that real BMCs want around it, and read back: some say yes and do nothing.

use super::{Carrier, ask};
use crate::command::{BootFlags, GetBootFlags, SetBootOption, SetInProgress};
use crate::lan::LanError;

/// Sets the boot flags and reads them back. Returns what the BMC has now: a BMC may lack the EFI bit. May be repeated.
///
/// # Errors
/// [`LanError::NotTaken`] if the BMC then has another device, or forgot "persistent".
pub async fn set_boot(carrier: &mut impl Carrier, flags: BootFlags) -> Result<BootFlags, LanError> {
    // What only helps may be refused: "set in progress" and the timer are missing in many BMCs.
    let locked = optional(carrier, SetBootOption::Progress(SetInProgress::InProgress)).await?;
    let kept = SetBootOption::KeepValidOn(SetBootOption::KEEP_AFTER_60_SECONDS);
    optional(carrier, kept).await?;
    optional(carrier, SetBootOption::AcknowledgeBios).await?;
    let set = ask(carrier, &SetBootOption::Flags(flags)).await;
    if locked {
        if set.is_ok() {
            optional(carrier, SetBootOption::Progress(SetInProgress::Commit)).await?;
        }
        // Also after a failure: others must not find the parameters locked.
        optional(carrier, SetBootOption::Progress(SetInProgress::Complete)).await?;
    }
    set?;
    let has = ask(carrier, &GetBootFlags).await?;
    if has.device != flags.device || (has.valid && has.persistent != flags.persistent) {
        return Err(LanError::NotTaken { what: "boot device", asked: words(flags), has: words(has) });
    }
    Ok(has)
}

/// Whether it worked; a completion code is no failure.
async fn optional(carrier: &mut impl Carrier, option: SetBootOption) -> Result<bool, LanError> {
    match ask(carrier, &option).await {
        Ok(()) => Ok(true),
        Err(LanError::Completion { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}

fn words(flags: BootFlags) -> String {
    let when = if flags.persistent { "always" } else { "once" };
    format!("{:?} {when}{}", flags.device, if flags.efi { " by UEFI" } else { "" })
}
