//! `%device`: where kernels run; `%move`: where buffers live.

use crate::magics::declare::kinds::{BufferName, Device, Switch};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::{Output, bytes_text};
use crate::workspace::{Context, Workspace};
use warpbook_device::Place;
use warpbook_diagnostic::{Diagnostic, Result};

/// `%device [emu | emu:ARCH | cuda:N] [--keep]`
pub struct DeviceMagic;

const DEVICE: Argument<Device> = Argument::optional(
    "DEVICE",
    Device,
    "the device; without it, the current one and the buffers on other devices are shown",
);
const KEEP: Argument<Switch> =
    Argument::option("--keep", Switch, "leave the buffers where they live; `%move` moves single ones");

const DEVICE_SPEC: Spec = Spec {
    name: "device",
    kind: Kind::Line,
    summary: "choose where kernels run",
    arguments: &[&DEVICE],
    options: &[&KEEP],
    details: "`emu` is the CPU emulator of the target's architecture. `emu:sm_90` emulates that architecture whatever the \
              target is (sm_80 PTX on an emulated sm_90 follows Hopper's arithmetic, as on a real one). `cuda:0` is the \
              first NVIDIA GPU; its architecture becomes the target. The buffers of the device before move along with \
              their values, unless `--keep` leaves them; buffers on a third device stay there. A launch takes buffers \
              that live on its device.",
    examples: &[
        Example { cell: "%device emu:sm_90", needs: Needs::Nothing, shows: "device emu:sm_90" },
        Example { cell: "%device", needs: Needs::Nothing, shows: "target sm_" },
        Example { cell: "%device cuda:0", needs: Needs::Gpu, shows: "device cuda:0" },
    ],
};

impl Magic for DeviceMagic {
    fn spec(&self) -> &'static Spec {
        &DEVICE_SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let keeps = typed.has(&KEEP);
        let moved = match typed.get(&DEVICE) {
            None if keeps => {
                let error = Diagnostic::error("usage", "`--keep` needs a device to change to");
                return Err(error.at(typed.place(&KEEP), "").help("`%device cuda:1 --keep`"));
            }
            None => Vec::new(),
            Some(device) => {
                let moved = match device.place {
                    Place::Gpu(number) => workspace.use_gpu(number, keeps),
                    Place::Emulator => workspace.use_emulator(device.architecture, keeps),
                };
                moved.map_err(|error| error.at(typed.place(&DEVICE), ""))?
            }
        };
        let description = match workspace.device.is_emulated() {
            true => String::new(),
            false => format!(" {}", workspace.device.description()),
        };
        let mut text = format!("device {}{description} · target {}", workspace.device_name(), workspace.target);
        if !moved.is_empty() {
            text += &format!("\nmoved along: {}", moved.join(", "));
        }
        for device in workspace.devices().skip(1) {
            let names: Vec<&str> = workspace.buffers_at(device.place()).map(|buffer| buffer.name.as_str()).collect();
            if !names.is_empty() {
                text += &format!("\non {}: {}", device.place(), names.join(", "));
            }
        }
        Ok(Some(Output::text(text)))
    }
}

/// `%move NAME … DEVICE`
pub struct Move;

const NAMES: Argument<BufferName> =
    Argument::any("NAME", BufferName { placeholder: "NAME", scalars: false }, "the buffers to move");
const TO: Argument<Device> = Argument::required("DEVICE", Device, "where they are to live");
const ALL: Argument<Switch> = Argument::option("--all", Switch, "every buffer, wherever it lives");

const MOVE_SPEC: Spec = Spec {
    name: "move",
    kind: Kind::Line,
    summary: "move buffers to another device",
    arguments: &[&NAMES, &TO],
    options: &[&ALL],
    details: "The buffers keep their values. Kernels go on running where `%device` says.",
    examples: &[
        Example { cell: "%move a b emu", needs: Needs::Buffers, shows: "already on emu" },
        Example { cell: "%move a b cuda:0", needs: Needs::Gpu, shows: "moved to cuda:0: a from emu, b from emu" },
        Example { cell: "%move --all emu", needs: Needs::Buffers, shows: "already on emu" },
    ],
};

impl Magic for Move {
    fn spec(&self) -> &'static Spec {
        &MOVE_SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let place = typed.required(&TO)?.place;
        let all = typed.has(&ALL);
        if typed.has(&NAMES) == all {
            let message = if all { "`--all` moves every buffer, and needs no names" } else { "which buffers?" };
            let error = Diagnostic::error("usage", message).at(call.arguments.clone(), "");
            return Err(error.help("`%move a b cuda:1`, or `%move --all cuda:1`"));
        }
        for name in typed.values(&NAMES) {
            BufferName::find(name, workspace)?;
        }
        let names: Vec<String> = match all {
            true => workspace.buffers.names().map(str::to_owned).collect(),
            false => typed.values(&NAMES).map(|name| name.value.clone()).collect(),
        };
        let moving: Vec<_> = workspace.buffers.iter().filter(|b| names.contains(&b.name) && b.place != place).collect();
        let bytes: u64 = moving.iter().map(|buffer| buffer.bytes).sum();
        let moved: Vec<String> = moving.iter().map(|buffer| format!("{} from {}", buffer.name, buffer.place)).collect();
        workspace.move_buffers(&names, place).map_err(|error| error.at(typed.place(&TO), ""))?;
        Ok(Some(Output::text(match moved.as_slice() {
            [] => format!("nothing moved: already on {place}"),
            moved => format!("moved to {place}: {} ({})", moved.join(", "), bytes_text(bytes)),
        })))
    }
}
