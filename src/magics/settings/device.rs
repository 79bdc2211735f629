//! `%device`: where kernels run.

use crate::compiler::Target;
use crate::diagnostic::{Diagnostic, Result};
use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};

/// `%device [emu | emu:ARCH]`
pub struct DeviceMagic;

impl Magic for DeviceMagic {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "device",
            kind: Kind::Line,
            summary: "choose where kernels run",
            usage: "[emu | emu:sm_80]",
            details: "`emu` is the CPU emulator of the target's architecture; `emu:sm_90` emulates that architecture \
                      whatever is compiled for (sm_80 PTX on an emulated sm_90 follows Hopper's arithmetic, as on the \
                      real one). Buffers keep their values. Without an argument: says what is chosen.",
            options: &[],
        }
    }

    fn words(&self) -> Vec<String> {
        let emulated = Target::SUPPORTED.map(|target| format!("emu:{target}"));
        std::iter::once("emu".to_owned()).chain(emulated).collect()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        match call.arguments_text() {
            "" => {}
            "emu" => workspace.set_emulated(None)?,
            asked => {
                let arch = asked.strip_prefix("emu:").and_then(|arch| arch.parse::<Target>().ok());
                let Some(arch) = arch else { return Err(Box::new(unknown_device(asked, call))) };
                workspace.set_emulated(Some(arch))?;
            }
        }
        Ok(Some(Output::text(format!("device {} · target {}", workspace.device_name(), workspace.target))))
    }
}

fn unknown_device(asked: &str, call: &Call<'_>) -> Diagnostic {
    let error = Diagnostic::error("unknown-device", format!("there is no device `{asked}`"))
        .at(call.arguments.clone(), "not a device");
    if asked.starts_with("cuda") {
        return error
            .note("this version of Warpbook runs kernels on the CPU emulator only")
            .help("`%device emu` runs the same PTX on the CPU");
    }
    error.help(format!("`emu`, or `emu:ARCH` with one of {}", Target::SUPPORTED.map(|t| t.to_string()).join(", ")))
}
