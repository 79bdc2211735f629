//! What a launch is before it touches a device: a version of a kernel, the grid and arguments as the reader wrote them,
//! and how it is to be run. It is resolved once, from a cell or from a kernel's last launch.

use std::sync::Arc;
use std::time::Duration;

use crate::expression::LaunchHeader;
use crate::workspace::{LaunchSpec, Version};
use warpbook_compiler::Artifact;
use warpbook_compiler::meta::GivenArgument;
use warpbook_device::TimingPlan;
use warpbook_device::emulation::Observe;
use warpbook_diagnostic::Source;

/// How a launch runs, beyond the kernel and its arguments.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// The repetitions that are timed (`--bench`); `None` times nothing.
    pub timing: Option<TimingPlan>,
    /// Time after which a launch is ended (`--timeout`).
    pub timeout: Option<Duration>,
    /// Settings of a launch that only the emulator has.
    pub emulation: Emulation,
}

/// Settings of a launch that only the emulator has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emulation {
    /// True if it looks for races, missing waits and fences, and reads of what nothing wrote (`--check`).
    pub check: bool,
    /// The order of warps (`--seed`); 0 is the usual one.
    pub seed: u64,
    /// What the run records.
    pub observe: Option<Observe>,
}

/// A launch, ready to be evaluated on a device.
#[derive(Clone, Debug)]
pub struct LaunchPlan {
    /// The kernel's name.
    pub kernel: String,
    /// The version that runs.
    pub version: Version,
    /// Grid and arguments as the reader wrote them, and the text that they stand in.
    pub launch: LaunchSpec,
    /// The text that entered the compiler, as the reader knows it: errors point into it.
    pub text: Source,
    /// Timing, limits and checks.
    pub how: How,
    /// Values of the parameters that a dump has added to the kernel, after the header's own.
    pub extra: Vec<GivenArgument>,
    /// Bytes of dynamic shared memory that the dump takes besides the kernel's own.
    pub extra_shared: u32,
}

impl LaunchPlan {
    /// A plan that runs once, neither timed nor checked.
    pub fn new(kernel: impl Into<String>, version: Version, launch: LaunchSpec) -> Self {
        let kernel = kernel.into();
        let extension = if version.entered.is_python() { "py" } else { version.entered.name() };
        let entered = version.artifact(version.entered).and_then(Artifact::text).unwrap_or_default();
        let text = Source::new(format!("{kernel}.{extension}"), entered);
        Self { kernel, version, launch, text, how: How::default(), extra: Vec::new(), extra_shared: 0 }
    }

    /// The last launch of a kernel, for any of its versions: without keywords that are constants of that version's code.
    pub fn from_last_launch(kernel: &str, version: &Version, launch: &LaunchSpec) -> Self {
        let mut header = LaunchHeader::clone(&launch.header);
        if let Some(binding) = &version.binding {
            let is_runtime = |name: &str| binding.params.iter().any(|param| param.name == name);
            let is_constant = |name: &str| binding.constants.iter().any(|(known, _)| known == name);
            header.keywords.retain(|keyword| is_runtime(&keyword.name) || !is_constant(&keyword.name));
        }
        let launch = LaunchSpec { source: launch.source.clone(), header: Arc::new(header) };
        Self::new(kernel, version.clone(), launch)
    }

    /// The same launch, checked or observed by the emulator.
    pub fn emulated(&self, emulation: Emulation) -> Self {
        Self { how: How { emulation, ..self.how.clone() }, ..self.clone() }
    }

    /// The same launch, observed by the emulator.
    pub fn observed(&self, observe: Observe) -> Self {
        self.emulated(Emulation { observe: Some(observe), ..Emulation::default() })
    }

    /// The header that grid and arguments stand in.
    pub fn header(&self) -> &LaunchHeader {
        &self.launch.header
    }

    /// The kernel and its version: `matmul v3`.
    pub fn title(&self) -> String {
        format!("{} v{}", self.kernel, self.version.number)
    }
}
