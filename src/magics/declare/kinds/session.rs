//! Names of what a session has or knows: kernels, buffers, devices, targets, versions of Triton, stages, data types.

use std::ops::Range;
use std::time::Duration;

use super::values::Placed;
use crate::magics::declare::argument::{Candidates, Input, Takes};
use crate::workspace::Workspace;
use warpbook_compiler::{Stage, Target, environment};
use warpbook_device::{Buffer, Dtype, Place};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::triton_version;
use warpbook_process::cancel::Cancel;

/// How long an interpreter may take to say which Triton it has while a magic's arguments are read.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// Adds the nearest of some names, or else what the names are.
fn suggest<'a>(error: Diagnostic, text: &str, names: impl Iterator<Item = &'a str>, else_help: &str) -> Diagnostic {
    match nearest(text, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(else_help),
    }
}

/// A kernel that the session has compiled: `matmul`, `matmul@2`, `@2` for a version of the one used last.
#[derive(Clone, Copy, Debug)]
pub struct Kernel;

/// A kernel as it was named. It is looked up when the magic runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelName {
    /// Its name; without one, the kernel that was used last.
    pub name: Option<Placed<String>>,
    /// The text of the version's number; without one, the newest.
    pub version: Option<Placed<String>>,
}

impl KernelName {
    /// Splits `matmul@2` into name and version.
    pub fn new(text: &str, span: Range<usize>) -> Self {
        let (name, version) = match text.split_once('@') {
            None => (text, None),
            Some((name, version)) => (name, Some(version)),
        };
        let middle = span.start + name.len();
        let placed = |value: &str, span| Placed { value: value.to_owned(), span };
        Self {
            name: (!name.is_empty()).then(|| placed(name, span.start..middle)),
            version: version.map(|version| placed(version, (middle + 1).min(span.end)..span.end)),
        }
    }
}

impl Takes for Kernel {
    type Value = KernelName;

    fn placeholder(&self) -> String {
        "KERNEL[@VERSION]".to_owned()
    }

    fn expected(&self) -> String {
        "a kernel, such as matmul or matmul@2".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<KernelName> {
        Ok(KernelName::new(input.text, input.span.clone()))
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let Some((name, _)) = typed.split_once('@') else {
            return Candidates::matching(typed, workspace.kernels.names());
        };
        let kernel = if name.is_empty() { workspace.kernels.last() } else { workspace.kernels.get(name) };
        let numbers = kernel.into_iter().flat_map(|kernel| &kernel.versions);
        Candidates::matching(typed, numbers.map(|version| format!("{name}@{}", version.number)))
    }

    fn takes_word(&self, text: &str, next_claims: bool, workspace: &Workspace) -> bool {
        let name = text.split('@').next().unwrap_or_default();
        let can_be_kernel = !text.starts_with(['%', '#']) && !text.contains(['[', '(', ':']);
        let is_known = || name.is_empty() || workspace.kernels.get(name).is_some();
        // Where there is no kernel yet, that is what to report.
        can_be_kernel && (is_known() || !next_claims || workspace.kernels.last().is_none())
    }
}

/// The name of a buffer of the session.
#[derive(Clone, Copy, Debug)]
pub struct BufferName {
    /// Stands for the name in usage lines.
    pub placeholder: &'static str,
    /// True if named scalars may be meant too.
    pub scalars: bool,
}

impl BufferName {
    /// The buffer of a name.
    ///
    /// # Errors
    /// No buffer has the name.
    pub fn find<'a>(name: &Placed<String>, workspace: &'a Workspace) -> Result<&'a Buffer> {
        workspace.buffers.get(&name.value).ok_or_else(|| {
            let error = Diagnostic::error("unknown-buffer", format!("no buffer is named `{}`", name.value));
            let error = error.at(name.span.clone(), "not found");
            suggest(error, &name.value, workspace.buffers.names(), "`%bufs` lists the buffers")
        })
    }
}

impl Takes for BufferName {
    type Value = Placed<String>;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        "the name of a buffer".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Placed<String>> {
        Ok(Placed { value: input.text.to_owned(), span: input.span.clone() })
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let scalars = workspace.scalars.iter().map(|(name, _)| name).filter(|_| self.scalars);
        Candidates::matching(typed, workspace.buffers.names().chain(scalars))
    }

    fn claims(&self, text: &str, _: bool, workspace: &Workspace) -> bool {
        let mut names = text.split(',').filter(|name| !name.is_empty());
        names.all(|name| workspace.buffers.get(name).is_some())
    }
}

/// A device: `emu`, `emu:sm_90`, `cuda:0`.
#[derive(Clone, Copy, Debug)]
pub struct Device;

/// A device, with the name that the cell gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName {
    /// The name as it was given.
    pub text: String,
    /// The device that the name stands for.
    pub place: Place,
    /// The architecture that an emulator is to have: sm_90 of `emu:sm_90`.
    pub architecture: Option<Target>,
}

/// Names of devices: GPUs that a machine may have, and each emulated architecture.
fn devices() -> impl Iterator<Item = String> {
    let emulated = Target::SUPPORTED.map(|target| format!("emu:{target}"));
    ["emu", "cuda:0", "cuda:1"].map(str::to_owned).into_iter().chain(emulated)
}

impl Takes for Device {
    type Value = DeviceName;

    fn placeholder(&self) -> String {
        "DEVICE".to_owned()
    }

    fn expected(&self) -> String {
        "a device, such as emu, emu:sm_90 or cuda:0".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<DeviceName> {
        let text = input.text.to_owned();
        let architecture = text.strip_prefix("emu:").map(str::parse::<Target>);
        match (Place::from_name(&text), architecture) {
            (Some(place), None) => Ok(DeviceName { text, place, architecture: None }),
            (Some(place), Some(Ok(target))) => Ok(DeviceName { text, place, architecture: Some(target) }),
            _ => {
                let error = Diagnostic::error("unknown-device", format!("there is no device `{text}`"));
                let error = error.at(input.span.clone(), "not a device");
                let names: Vec<String> = devices().collect();
                let error = match nearest(&text, names.iter().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                };
                let architectures = Target::SUPPORTED.map(|target| target.to_string()).join(", ");
                Err(error.help(format!("`emu`, `cuda:N`, or `emu:ARCH` with one of {architectures}")))
            }
        }
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, devices())
    }
}

/// A GPU architecture that can be compiled for: `sm_90`.
#[derive(Clone, Copy, Debug)]
pub struct TargetName;

impl Takes for TargetName {
    type Value = Target;

    fn placeholder(&self) -> String {
        "ARCH".to_owned()
    }

    fn expected(&self) -> String {
        "an architecture, such as sm_90".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Target> {
        input.text.parse().map_err(|()| {
            let names = Target::SUPPORTED.map(|target| target.to_string());
            let message = format!("`{}` is not a supported target", input.text);
            let error = Diagnostic::error("unknown-target", message).at(input.span.clone(), "");
            let error = error.note(format!("supported: {}", names.join(", ")));
            match nearest(input.text, names.iter().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, Target::SUPPORTED.map(|target| target.to_string()))
    }
}

/// A version of Triton: `3.4.0`, or `3.4` for short.
#[derive(Clone, Copy, Debug)]
pub struct TritonVersion;

impl Takes for TritonVersion {
    type Value = String;

    fn placeholder(&self) -> String {
        "VERSION".to_owned()
    }

    fn expected(&self) -> String {
        "a version of Triton, such as 3.4".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<String> {
        let wanted = input.text;
        let is_short_for =
            |known: &str| wanted.contains('.') && known.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'));
        let known =
            triton_version::TritonVersion::SUPPORTED.into_iter().find(|known| *known == wanted || is_short_for(known));
        if let Some(known) = known {
            return Ok(known.to_owned());
        }
        // Nothing can interrupt the reading of arguments: an interpreter that is slow to answer has no other version.
        let own = environment::chosen().map(|python| environment::triton_version(&python, AT_ONCE, &Cancel::new()));
        if own.transpose()?.flatten().is_some_and(|own| own == wanted) {
            return Ok(wanted.to_owned());
        }
        let error = Diagnostic::error("unknown-triton", format!("Triton {wanted} is not supported"))
            .at(input.span.clone(), "")
            .note(format!("supported: {}", triton_version::TritonVersion::SUPPORTED.join(", ")))
            .note("WARPBOOK_PYTHON names an environment with another one");
        Err(match nearest(wanted, triton_version::TritonVersion::SUPPORTED) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, triton_version::TritonVersion::SUPPORTED)
    }
}

/// The name of a compiler stage.
#[derive(Clone, Copy, Debug)]
pub struct StageName {
    /// The stages that are accepted.
    pub stages: &'static [Stage],
}

impl StageName {
    /// The stages that a cell can enter at.
    pub const ENTRIES: Self = Self { stages: &Stage::ENTRIES };
    /// Every stage of the compiler.
    pub const ALL: Self = Self {
        stages: &[
            Stage::Triton,
            Stage::Gluon,
            Stage::Glir,
            Stage::Ttir,
            Stage::Ttgir,
            Stage::Llir,
            Stage::Ptx,
            Stage::Cubin,
            Stage::Sass,
        ],
    };

    fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.stages.iter().map(|stage| stage.name())
    }

    fn list(&self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }
}

impl Takes for StageName {
    type Value = Stage;

    fn placeholder(&self) -> String {
        "STAGE".to_owned()
    }

    fn expected(&self) -> String {
        format!("a stage: one of {}", self.list())
    }

    fn parse(&self, input: &Input<'_>) -> Result<Stage> {
        let found = self.stages.iter().find(|stage| stage.name() == input.text);
        found.copied().ok_or_else(|| {
            let message = match input.text.parse::<Stage>() {
                Ok(stage) => format!("`{stage}` is not one of the stages that `{}` takes", input.name),
                Err(()) => format!("there is no stage `{}`", input.text),
            };
            let error = Diagnostic::error("unknown-stage", message).at(input.span.clone(), "");
            suggest(error, input.text, self.names(), &format!("one of: {}", self.list()))
        })
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, self.names())
    }
}

/// A data type of buffers: `f16`.
#[derive(Clone, Copy, Debug)]
pub struct Dtyped;

impl Takes for Dtyped {
    type Value = Dtype;

    fn placeholder(&self) -> String {
        "TYPE".to_owned()
    }

    fn expected(&self) -> String {
        "a data type, such as bf16".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Dtype> {
        Dtype::parse(input.text).ok_or_else(|| {
            let names = Dtype::ALL.map(Dtype::name);
            let message = format!("there is no data type `{}`", input.text);
            let error = Diagnostic::error("dtype", message).at(input.span.clone(), "");
            let error = error.note(format!("there are {}", names.join(", ")));
            match nearest(input.text, names) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, Dtype::ALL.map(Dtype::name))
    }
}
