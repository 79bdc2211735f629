//! `%device`: where kernels run; `%move`: where buffers live.

use super::place::parse;
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::{Output, bytes_text};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Target;
use warpbook_device::Place;
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `%device [emu | emu:ARCH | cuda:N] [--keep]`
pub struct DeviceMagic;

const KEEP: OptionSpec =
    OptionSpec { name: "--keep", value: "", help: "leave the buffers where they live; `%move` moves single ones" };

impl Magic for DeviceMagic {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "device",
            kind: Kind::Line,
            summary: "choose where kernels run",
            usage: "[emu | emu:sm_80 | cuda:0] [--keep]",
            details: "`emu` is the CPU emulator of the target's architecture; `emu:sm_90` emulates that architecture \
                      whatever is compiled for (sm_80 PTX on an emulated sm_90 follows Hopper's arithmetic, as on the \
                      real one). `cuda:0` is the first NVIDIA GPU, and becomes what is compiled for. The buffers of the \
                      device before move along with their values, unless `--keep` leaves them; those that live on a \
                      third device stay there. A launch takes buffers that live on its device. Without an argument: says \
                      what is chosen, and what lives elsewhere.",
            options: &[KEEP],
        }
    }

    fn words(&self) -> Vec<String> {
        devices()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let words = words(call);
        let (options, names): (Vec<_>, Vec<_>) = words.into_iter().partition(|(word, _)| word.starts_with("--"));
        if let Some((word, span)) = options.iter().find(|(word, _)| *word != KEEP.name) {
            return Err(unknown_option(word, span, KEEP.name));
        }
        let moved = match names.as_slice() {
            [] if options.is_empty() => Vec::new(),
            [] => {
                let error = Diagnostic::error("usage", "`--keep` is said with a device");
                return Err(error.at(call.arguments.clone(), "").help("`%device cuda:1 --keep`"));
            }
            [(name, span)] => {
                let located = |error: Diagnostic| error.at(span.clone(), "");
                match parse(name, span)? {
                    (Place::Gpu(number), _) => workspace.use_gpu(number, !options.is_empty()).map_err(located)?,
                    (Place::Emulator, arch) => workspace.use_emulator(arch, !options.is_empty()).map_err(located)?,
                }
            }
            [_, (_, span), ..] => {
                let error = Diagnostic::error("usage", "one device is chosen").at(span.clone(), "");
                return Err(error.help("`%move NAME … DEVICE` moves single buffers"));
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

const ALL: OptionSpec = OptionSpec { name: "--all", value: "", help: "every buffer, wherever it lives" };

impl Magic for Move {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "move",
            kind: Kind::Line,
            summary: "move buffers to another device",
            usage: "NAME … DEVICE",
            details: "`%move a b cuda:1`\n`%move --all emu`\nThe buffers keep their values; views of them in later cells are \
                      views of where they live then. Kernels go on running where `%device` says.",
            options: &[ALL],
        }
    }

    fn words(&self) -> Vec<String> {
        devices()
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let mut words = words(call);
        words.iter_mut().for_each(|(word, _)| *word = word.trim_end_matches(','));
        let (options, mut names): (Vec<_>, Vec<_>) = words.into_iter().partition(|(word, _)| word.starts_with("--"));
        if let Some((word, span)) = options.iter().find(|(word, _)| *word != ALL.name) {
            return Err(unknown_option(word, span, ALL.name));
        }
        let usage = || {
            let error = Diagnostic::error("usage", "`%move` takes buffers and a device").at(call.arguments.clone(), "");
            error.help("`%move a b cuda:1`, or `%move --all cuda:1`")
        };
        let (device, span) = names.pop().ok_or_else(usage)?;
        if workspace.buffers.get(device).is_some() {
            let error = Diagnostic::error("usage", format!("the device is missing: `{device}` is a buffer"));
            return Err(error.at(span, "").help(format!("`%move {} cuda:1`", call.arguments_text())));
        }
        let (place, _) = parse(device, &span)?;
        if names.is_empty() == options.is_empty() {
            return Err(usage());
        }
        for (name, span) in &names {
            if workspace.buffers.get(name).is_none() {
                let error = Diagnostic::error("unknown-buffer", format!("no buffer is named `{name}`"));
                let error = error.at(span.clone(), "not found");
                return Err(match nearest(name, workspace.buffers.names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`%bufs` lists the buffers"),
                });
            }
        }
        let names: Vec<String> = match options.is_empty() {
            true => names.into_iter().map(|(name, _)| name.to_owned()).collect(),
            false => workspace.buffers.names().map(str::to_owned).collect(),
        };
        let moving: Vec<_> = workspace.buffers.iter().filter(|b| names.contains(&b.name) && b.place != place).collect();
        let bytes: u64 = moving.iter().map(|buffer| buffer.bytes).sum();
        let moved: Vec<String> = moving.iter().map(|buffer| format!("{} from {}", buffer.name, buffer.place)).collect();
        workspace.move_buffers(&names, place).map_err(|error| error.at(span, ""))?;
        Ok(Some(Output::text(match moved.as_slice() {
            [] => format!("nothing moved: already on {place}"),
            moved => format!("moved to {place}: {} ({})", moved.join(", "), bytes_text(bytes)),
        })))
    }
}

/// Names that `%device` takes.
pub(in crate::magics) fn devices() -> Vec<String> {
    let emulated = Target::SUPPORTED.map(|target| format!("emu:{target}"));
    ["emu", "cuda:0", "cuda:1"].map(str::to_owned).into_iter().chain(emulated).collect()
}

/// The words of the arguments with their places.
fn words<'a>(call: &Call<'a>) -> Vec<(&'a str, std::ops::Range<usize>)> {
    let text = &call.cell.text[call.arguments.clone()];
    let offset = |word: &str| call.arguments.start + (word.as_ptr() as usize - text.as_ptr() as usize);
    text.split_whitespace().map(|word| (word, offset(word)..offset(word) + word.len())).collect()
}

fn unknown_option(word: &str, span: &std::ops::Range<usize>, known: &str) -> Diagnostic {
    Diagnostic::error("unknown-option", format!("there is no option `{word}` here"))
        .at(span.clone(), "")
        .help(format!("there is `{known}`"))
}
