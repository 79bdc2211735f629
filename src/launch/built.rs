//! What was compiled becomes a version of its kernel, and is launched.

use std::sync::Arc;

use super::plan::{How, LaunchPlan};
use super::report::{Implied, Report, StageTime};
use super::run::run;
use super::value::Arguments;
use crate::workspace::{Context, LaunchSpec, Version, Workspace};
use warpbook_compiler::meta::resources;
use warpbook_compiler::{Binding, CompileRequest, Compiled, ParamKind, Stage};
use warpbook_diagnostic::{Diagnostic, Result, Source};

/// Options of a version that an edited text is compiled with again.
const INHERITED: [&str; 5] = ["num_warps", "num_stages", "num_ctas", "maxnreg", "enable_fp_fusion"];

/// A compiled kernel, and how it is launched.
pub struct Built {
    /// The kernel's name.
    pub kernel: String,
    /// The compiler's answer.
    pub compiled: Compiled,
    /// The compiler's task.
    pub request: CompileRequest,
    /// The stage at which the text entered.
    pub entered: Stage,
    /// Number of the version that the text was edited from.
    pub parent: Option<u32>,
    /// Values that the header does not give.
    pub implied: Option<Implied>,
    /// The text that entered, as the reader knows it.
    pub text: Source,
    /// Grid and arguments. Without them, or without a grid, nothing is launched.
    pub launch: Option<LaunchSpec>,
    /// True if the emulator follows what ptxas contracted, for a cubin that is given without its PTX (`--contract`).
    pub follows_cubin: bool,
    /// Timing, limits and checks.
    pub how: How,
}

/// Adds what was compiled to its kernel as the newest version, and launches that.
pub fn launch_built(built: Built, workspace: &mut Workspace, context: Context<'_>) -> Result<Report> {
    let Built { kernel, compiled, request, entered, parent, implied, text, launch, follows_cubin, how } = built;
    let warnings = compiled.warnings.clone();
    let version = Version { follows_cubin, ..new_version(compiled, request, entered, parent) };
    let number = workspace.kernels.add(&kernel, version);
    let Some(version) = workspace.kernels.get(&kernel).and_then(|kernel| kernel.version(number)).cloned() else {
        return Err(Diagnostic::error("internal", "the version is gone"));
    };
    let mut report = Report { implied, warnings, ..report(&kernel, &version) };
    if let Some(launch) = launch.filter(|launch| launch.header.grid.is_some()) {
        let plan = LaunchPlan { text, how, ..LaunchPlan::new(kernel, version, launch) };
        report.launch = Some(run(&plan, workspace, context)?);
    }
    Ok(report)
}

/// The facts of a version, without a launch.
pub fn report(kernel: &str, version: &Version) -> Report {
    Report {
        kernel: kernel.to_owned(),
        version: version.number,
        parent: version.parent,
        entered: version.entered,
        target: version.target,
        triton: version.triton.clone(),
        stages: version
            .stages
            .iter()
            .skip(1)
            .map(|outcome| StageTime {
                stage: outcome.artifact.stage,
                elapsed: outcome.elapsed,
                cached: outcome.cached,
            })
            .collect(),
        threads: version.meta.threads.clone(),
        shared: version.meta.shared.clone(),
        implied: None,
        resources: version
            .artifact(Stage::Cubin)
            .and_then(|cubin| resources(&cubin.content, &version.meta.entry.value)),
        launch: None,
        warnings: Vec::new(),
    }
}

/// Makes a version of what was compiled; it has no number yet.
pub fn new_version(compiled: Compiled, request: CompileRequest, entered: Stage, parent: Option<u32>) -> Version {
    let cached_only = compiled.stages.len() <= 1;
    Version {
        number: 0,
        follows_cubin: false,
        parent,
        entered,
        target: request.target,
        triton: (!cached_only && !compiled.triton_version.is_empty()).then(|| compiled.triton_version.clone()),
        stages: compiled.stages,
        meta: compiled.meta,
        binding: compiled.binding.map(Arc::new),
        request: (!compiled.metadata.is_null()).then(|| Arc::new(request)),
        options: INHERITED
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), compiled.metadata.get(name)?.clone())))
            .filter(|(_, value)| !value.is_null())
            .collect(),
    }
}

/// How Python-level arguments became the parameters of the parent version, if that still fits the edited text.
pub fn binding_of_parent<'a>(compiled: &Compiled, parent: &'a Version) -> Option<&'a Binding> {
    let params = &compiled.meta.params.value;
    let tensor_maps = params.iter().any(|param| param.kind == ParamKind::TensorMap);
    // From Triton 3.6 on each pointer of a descriptor has a padding beside it.
    let paddings = parent
        .binding
        .as_deref()
        .map_or(0, |binding| binding.params.iter().filter(|param| !tensor_maps && param.descriptor_rank() > 0).count());
    let fits = |binding: &&Binding| {
        let expected = binding.compiled_params(tensor_maps);
        params.len() == expected || params.len() == expected + paddings
    };
    parent.binding.as_deref().filter(fits)
}

/// Gives a request the options of the version that was edited, except those that the request or its text sets. Returns
/// the options that neither sets.
pub fn inherit(request: &mut CompileRequest, parent: &Version) -> Option<Implied> {
    let mut implied = Vec::new();
    for (name, value) in &parent.options {
        // The passes that follow a text from the middle want more than the text says.
        let in_text = request.entry != Stage::Ttir
            && ["num_warps", "num_stages", "num_ctas"].contains(&name.as_str())
            && !(request.passes.after.is_some() && name == "num_stages");
        if in_text || request.options.contains_key(name) || (request.entry == Stage::Ptx && name != "enable_fp_fusion")
        {
            continue;
        }
        request.options.insert(name.clone(), value.clone());
        if request.entry == Stage::Ttir && name != "enable_fp_fusion" {
            implied.push((name.clone(), value.clone()));
        }
    }
    (!implied.is_empty()).then_some(Implied::Inherited { version: parent.number, options: implied })
}

/// Constants that the autotuner, heuristics and defaults chose; `None` if the header sets them all.
pub fn chosen_by_kernel(binding: &Binding, arguments: &Arguments) -> Option<Implied> {
    let Arguments { positional, keywords } = arguments;
    let given = |name: &String| {
        binding.names.iter().take(positional.len()).any(|known| known == name)
            || keywords.iter().any(|(known, _)| known == name)
    };
    let tuned = |name: &str| binding.config.split(", ").any(|part| part.split(':').next() == Some(name));
    let more = binding.specialised.iter().filter(|(name, _)| !given(name) && !tuned(name));
    let values: Vec<(String, String)> = more.map(|(name, value)| (name.clone(), value.to_string())).collect();
    let config = (!binding.config.is_empty()).then(|| (binding.config.clone(), binding.configs));
    (config.is_some() || !values.is_empty()).then_some(Implied::Chosen { config, values })
}
