//! Kernels by name, each with its versions: what was compiled, from where, and how it was last launched.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::expression::LaunchHeader;
use warpbook_compiler::{Artifact, Binding, CompileRequest, LaunchMeta, Stage, StageOutcome, Target};
use warpbook_diagnostic::Source;

/// How a kernel is launched, as the reader wrote it: evaluated anew at each launch.
#[derive(Clone, Debug)]
pub struct LaunchSpec {
    /// The cell that it stands in; spans of the header point into it.
    pub source: Source,
    /// Grid, arguments and keywords.
    pub header: Arc<LaunchHeader>,
}

/// One compilation of a kernel.
#[derive(Clone, Debug)]
pub struct Version {
    /// Number of the version, from 1: the 2 of `matmul@2`.
    pub number: u32,
    /// The version whose text was edited.
    pub parent: Option<u32>,
    /// True if the emulator follows what ptxas contracted by the PTX within the cubin (`--contract`). A version with PTX of its
    /// own and machine code is followed anyway.
    pub follows_cubin: bool,
    /// The stage at which the user's text entered.
    pub entered: Stage,
    /// The architecture that it was compiled for.
    pub target: Target,
    /// The Triton version that compiled it; `None` where Triton had no part.
    pub triton: Option<String>,
    /// The text that entered, then what each stage made.
    pub stages: Vec<StageOutcome>,
    /// What a launch needs to know about the version.
    pub meta: LaunchMeta,
    /// How the Python-level arguments became parameters; `None` where the arguments are the parameters.
    pub binding: Option<Arc<Binding>>,
    /// The compilation that made it; `None` for what nothing had to be made of.
    pub request: Option<Arc<CompileRequest>>,
    /// Options that the compiler worked with (`num_warps`, `num_stages`, …): an edited text is compiled with them again.
    pub options: BTreeMap<String, serde_json::Value>,
}

impl Version {
    /// The text or binary of a stage, if the version has it.
    pub fn artifact(&self, stage: Stage) -> Option<&Artifact> {
        self.stages.iter().map(|outcome| &outcome.artifact).find(|artifact| artifact.stage == stage)
    }
}

/// A kernel and its history.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Name of the kernel, by which magics refer to it.
    pub name: String,
    /// Oldest first; never empty.
    pub versions: Vec<Version>,
    /// The last launch.
    pub launch: Option<LaunchSpec>,
    /// Number of the version from which the running cell takes its text, if the cell names one.
    base: Option<u32>,
}

impl Kernel {
    /// The newest version.
    pub fn latest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The version that a text entered at `stage` was made from: the one that the cell names, or the newest one; when
    /// the newest one is this very text, the one that it was made from.
    pub fn parent_of(&self, stage: Stage, content: &Artifact) -> Option<&Version> {
        let latest = self.latest()?;
        let again = latest.entered == stage && latest.artifact(stage).is_some_and(|own| own.hash == content.hash);
        let parent = if again { latest.parent } else { self.base.or(Some(latest.number)) };
        parent.and_then(|number| self.version(number))
    }

    /// The versions and parameters of the kernel, in a few lines.
    pub fn describe(&self) -> String {
        let mut text = format!("kernel {}", self.name);
        for version in &self.versions {
            let stages: Vec<&str> = version.stages.iter().map(|outcome| outcome.artifact.stage.name()).collect();
            text += &format!("\nv{}: {} · {}", version.number, version.target, stages.join(" → "));
        }
        if let Some(latest) = self.latest() {
            let params: Vec<String> =
                latest.meta.params.value.iter().map(|param| format!("{}: {}", param.name, param.type_name())).collect();
            text += &format!("\nparameters: {}", params.join(", "));
        }
        text
    }

    /// A version by number.
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// All kernels of a session, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Kernels {
    kernels: Vec<Kernel>,
    last: Option<String>,
}

impl Kernels {
    /// A kernel by name.
    pub fn get(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// The kernel that was compiled or launched last.
    pub fn last(&self) -> Option<&Kernel> {
        self.get(self.last.as_deref()?)
    }

    /// Names of all kernels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().map(|kernel| kernel.name.as_str())
    }

    /// All kernels with their versions.
    pub fn iter(&self) -> impl Iterator<Item = &Kernel> {
        self.kernels.iter()
    }

    fn entry(&mut self, name: &str) -> &mut Kernel {
        let index = self.kernels.iter().position(|kernel| kernel.name == name).unwrap_or_else(|| {
            self.kernels.push(Kernel { name: name.to_owned(), versions: Vec::new(), launch: None, base: None });
            self.kernels.len() - 1
        });
        &mut self.kernels[index]
    }

    /// Adds a version, unless it is the newest one again; returns its number.
    pub fn add(&mut self, name: &str, mut version: Version) -> u32 {
        self.last = Some(name.to_owned());
        let kernel = self.entry(name);
        if let Some(latest) = kernel.versions.last_mut()
            && latest.entered == version.entered
            && latest.target == version.target
            && latest.triton == version.triton
            && latest.options == version.options
            && same_launch(&latest.meta, &version.meta)
            && same_stages(latest, &version)
        {
            latest.follows_cubin = version.follows_cubin;
            // One may have been taken further than the other.
            if version.stages.len() > latest.stages.len() {
                latest.stages = version.stages;
            }
            return latest.number;
        }
        version.number = kernel.versions.last().map_or(1, |latest| latest.number + 1);
        let number = version.number;
        kernel.versions.push(version);
        number
    }

    /// Says which version the running cell takes its text from; `None` when it has run.
    pub fn set_base(&mut self, name: &str, version: Option<u32>) {
        if let Some(kernel) = self.kernels.iter_mut().find(|kernel| kernel.name == name) {
            kernel.base = version;
        }
    }

    /// Remembers how a kernel was launched.
    pub fn launched(&mut self, name: &str, launch: LaunchSpec) {
        self.last = Some(name.to_owned());
        self.entry(name).launch = Some(launch);
    }
}

/// True if both are launched in the same way, whatever the origin of each fact.
fn same_launch(a: &LaunchMeta, b: &LaunchMeta) -> bool {
    a.entry.value == b.entry.value
        && a.params.value == b.params.value
        && a.block_extents() == b.block_extents()
        && a.shared.value == b.shared.value
        && a.cluster.value == b.cluster.value
        && a.global_scratch.value == b.global_scratch.value
        && a.profile_scratch.value == b.profile_scratch.value
        && a.scratch_params.value == b.scratch_params.value
}

/// True if the stages that both versions have are equal.
fn same_stages(a: &Version, b: &Version) -> bool {
    let pairs = a.stages.iter().filter_map(|outcome| Some((&outcome.artifact, b.artifact(outcome.artifact.stage)?)));
    pairs.clone().next().is_some() && pairs.into_iter().all(|(ours, theirs)| ours.hash == theirs.hash)
}
