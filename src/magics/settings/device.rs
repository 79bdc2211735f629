//! `%device`: where kernels run.

use crate::compiler::Target;
use crate::diagnostic::{Diagnostic, Result};
use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};

/// `%device [emu | emu:ARCH | cuda:N]`
pub struct DeviceMagic;

impl Magic for DeviceMagic {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "device",
            kind: Kind::Line,
            summary: "choose where kernels run",
            usage: "[emu | emu:sm_80 | cuda:0]",
            details: "`emu` is the CPU emulator of the target's architecture; `emu:sm_90` emulates that architecture \
                      whatever is compiled for (sm_80 PTX on an emulated sm_90 follows Hopper's arithmetic, as on the \
                      real one). `cuda:0` is the first NVIDIA GPU, and becomes what is compiled for. Buffers move along \
                      with their values. Without an argument: says what is chosen.",
            options: &[],
        }
    }

    fn words(&self) -> Vec<String> {
        let emulated = Target::SUPPORTED.map(|target| format!("emu:{target}"));
        ["emu", "cuda:0"].map(str::to_owned).into_iter().chain(emulated).collect()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        match call.arguments_text() {
            "" => {}
            "emu" => workspace.set_emulated(None)?,
            "cuda" => gpu("cuda:0", call, workspace)?,
            asked if asked.strip_prefix("cuda:").is_some_and(|number| number.parse::<u32>().is_ok()) => {
                gpu(asked, call, workspace)?;
            }
            asked => {
                let arch = asked.strip_prefix("emu:").and_then(|arch| arch.parse::<Target>().ok());
                let Some(arch) = arch else { return Err(Box::new(unknown_device(asked, call))) };
                workspace.set_emulated(Some(arch))?;
            }
        }
        let description = match workspace.device.is_emulated() {
            true => String::new(),
            false => format!(" {}", workspace.device.description()),
        };
        let name = workspace.device_name();
        Ok(Some(Output::text(format!("device {name}{description} · target {}", workspace.target))))
    }
}

fn gpu(name: &str, call: &Call<'_>, workspace: &mut Workspace) -> Result<()> {
    workspace.set_gpu(name).map_err(|error| Box::new(error.at(call.arguments.clone(), "")))
}

fn unknown_device(asked: &str, call: &Call<'_>) -> Diagnostic {
    let error = Diagnostic::error("unknown-device", format!("there is no device `{asked}`"))
        .at(call.arguments.clone(), "not a device");
    error.help(format!(
        "`emu`, `cuda:N`, or `emu:ARCH` with one of {}",
        Target::SUPPORTED.map(|t| t.to_string()).join(", ")
    ))
}
