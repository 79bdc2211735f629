//! The kernel with stores of the dumped values: compiled, launched until all executions fit, read back.

use super::dumped_value::{DumpedValue, in_text};
use super::select::{self, Selection, Which};
use crate::launch::arguments::evaluate_launch;
use crate::launch::code::takes_cubin;
use crate::launch::plan::LaunchPlan;
use crate::launch::prepare::{grid, launch_once};
use crate::launch::snapshot::Snapshot;
use crate::magics::views::subject::{Subject, show_progress};
use crate::render::bytes_text;
use crate::workspace::{Context, LaunchSpec, Version, Workspace};
use warpbook_compiler::meta::{GivenArgument, GivenKind};
use warpbook_compiler::{Compiled, Stage};
use warpbook_device::{Contents, Dtype};
use warpbook_diagnostic::{Diagnostic, Result, Source};
use warpbook_ir::probe::{self, PROGRAM_LEVELS, Probe};
use warpbook_ir::triton_version::GpuDialect;
use warpbook_ir::{locations, operations};

/// Iterations of a loop that are made room for before its own number is known.
const FIRST_GUESS: u32 = 16;
/// Most bytes of a dump.
const MOST_BYTES: u64 = 2 << 30;

/// A dump of values of one kernel.
pub struct Dumping<'a> {
    pub subject: &'a Subject,
    pub stage: Stage,
    /// The stage's text, without locations.
    pub text: &'a str,
    /// The launch that is repeated.
    pub launched: &'a LaunchSpec,
    pub wanted: &'a [DumpedValue],
}

/// One dumped value with its elements.
pub struct Collected {
    /// Its elements; a dimension for each level that is wanted whole comes first.
    pub contents: Contents,
    /// Of which program and iterations, in words.
    pub which: String,
    /// Executions of a selected program or iteration that did not happen.
    pub missing: usize,
}

/// The device memory into which one probe stores.
struct Area {
    data: u64,
    table: u64,
    bytes: u64,
    entries: usize,
}

impl Dumping<'_> {
    /// Does all of it. The notes say what the reader should know of it.
    pub fn run(
        &self,
        selection: &Selection,
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<(Vec<Collected>, Vec<String>)> {
        let (compiled, text, mut notes) = self.compile(workspace, context)?;
        notes.extend(self.changes(&compiled, workspace, context)?);
        let version = self.version(compiled);
        workspace.revive()?;
        let arguments = evaluate_launch(self.launched, workspace)?;
        let source = Source::new(format!("{}.{}", self.subject.name, self.stage), text);
        let plan = LaunchPlan::new(&self.subject.name, version, self.launched.clone());
        let kernels_own = self.subject.version.meta.shared.value;
        let extra_shared = plan.version.meta.shared.value.saturating_sub(kernels_own);
        let plan = LaunchPlan { text: source, extra_shared, ..plan };
        let extents = grid(&plan, &arguments, workspace)?;
        let levels = self.wanted.iter().map(|wanted| selection.levels(&wanted.definition, extents));
        let levels = levels.collect::<Result<Vec<_>>>()?;
        let collected = self.collect(&plan, &levels, extents, workspace, context)?;
        Ok((collected, notes))
    }

    /// The probes' text, compiled. Values are stored in their own layouts where the compiler does that, and otherwise
    /// in a blocked one.
    fn compile(&self, workspace: &mut Workspace, context: Context<'_>) -> Result<(Compiled, String, Vec<String>)> {
        let dialect = GpuDialect::detect(self.text);
        let warps = self.subject.version.meta.num_warps.value;
        let blocked = |wanted: &DumpedValue| {
            let shape = wanted.ty.shape.as_ref().filter(|_| self.stage == Stage::Ttgir)?;
            Some(probe::blocked(shape, warps, dialect))
        };
        let mut first = None;
        for converts in [false, true] {
            let mut probes = Vec::new();
            for wanted in self.wanted {
                let DumpedValue { definition, ty, .. } = wanted;
                let converts = converts && !ty.layout.is_empty() || ty.memory.is_some();
                probes.push(Probe { definition, ty: ty.clone(), convert: blocked(wanted).filter(|_| converts) });
            }
            let entry = &self.subject.version.meta.entry.value;
            let Some(text) = probe::instrument(self.text, entry, &probes) else {
                let message = format!("the {} has no function `{entry}`", self.stage);
                return Err(Diagnostic::error("not-dumped", message));
            };
            let device = workspace.device.as_ref();
            let until = if takes_cubin(device, self.subject.version.target) { Stage::Cubin } else { Stage::Ptx };
            let mut request = self.subject.request(self.stage, until, &text, workspace, context.cancel)?;
            if let Some(own) = self.subject.version.request.as_ref().filter(|_| self.stage == Stage::Ttir) {
                request.passes.skip.clone_from(&own.passes.skip);
                request.passes.until.clone_from(&own.passes.until);
            }
            let compiled =
                workspace.compiler.compile(&request, context.cancel, &mut |news| show_progress(news, context));
            match compiled {
                Ok(compiled) => {
                    let note = |probe: &Probe<'_>| {
                        let name = &probe.definition.name;
                        match (&probe.ty.memory, &probe.convert) {
                            (Some(_), _) => Some(format!("{name} is shared memory: what it holds where it is defined")),
                            (None, Some(_)) => Some(format!("{name} was brought into a blocked layout to be stored")),
                            (None, None) => None,
                        }
                    };
                    let notes = probes.iter().filter_map(note).collect();
                    return Ok((compiled, text, notes));
                }
                Err(failure) if failure.diagnostic.is_interrupted() => return Err(failure.diagnostic),
                Err(failure) => {
                    first.get_or_insert_with(|| in_text(failure.diagnostic, self.subject, &request));
                }
            }
        }
        let error = first.unwrap_or_else(|| Diagnostic::error("not-dumped", "nothing was compiled"));
        let error = error.note(format!("in the {} with stores of the dumped values added", self.stage));
        let is_deep =
            |wanted: &&DumpedValue| wanted.ty.memory.is_some() && wanted.ty.shape.iter().flatten().count() > 2;
        Err(match self.wanted.iter().find(is_deep) {
            Some(wanted) => {
                error.help(format!("of several buffers one can be dumped: a view of `{}`", wanted.definition.name))
            }
            None => error,
        })
    }

    /// What the stores change of what comes later.
    fn changes(&self, compiled: &Compiled, workspace: &mut Workspace, context: Context<'_>) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        let version = &self.subject.version;
        if self.stage == Stage::Ttir {
            let text = |stages: &[warpbook_compiler::StageOutcome]| {
                let found = stages.iter().find(|outcome| outcome.artifact.stage == Stage::Ttgir);
                found.and_then(|outcome| outcome.artifact.text()).map(locations::remove)
            };
            let own = match text(&version.stages) {
                Some(own) => Some(own),
                None => {
                    let request =
                        self.subject.request(Stage::Ttir, Stage::Ttgir, self.text, workspace, context.cancel)?;
                    text(&super::super::subject::compile(&request, workspace, context)?.stages)
                }
            };
            if let (Some(own), Some(dumped)) = (own, text(&compiled.stages)) {
                notes.extend(differences(&own, &dumped));
            }
        }
        let (own, dumped) = (version.meta.shared.value, compiled.meta.shared.value);
        if own != dumped {
            notes.push(format!("with the dump the kernel takes {dumped} bytes of shared memory, and {own} without"));
        }
        Ok(notes)
    }

    /// The compiled text as a version that is launched as the original is.
    fn version(&self, compiled: Compiled) -> Version {
        let own = &self.subject.version;
        let mut meta = compiled.meta;
        meta.cooperative.clone_from(&own.meta.cooperative);
        meta.dependent.clone_from(&own.meta.dependent);
        let tensor_maps = meta.params.value.iter().any(|param| param.kind == warpbook_compiler::ParamKind::TensorMap);
        let fits = |params: usize| params + 2 * self.wanted.len() == meta.params.value.len();
        let binding = own.binding.clone().filter(|binding| fits(binding.compiled_params(tensor_maps)));
        Version { stages: compiled.stages, meta, binding, ..own.clone() }
    }

    /// Launches with growing buffers until every selected execution fits, and reads what was stored.
    fn collect(
        &self,
        plan: &LaunchPlan,
        levels: &[Vec<Which>],
        grid: [u32; PROGRAM_LEVELS],
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<Vec<Collected>> {
        let room = |level: usize, which: &Which| match which {
            Which::One(_) => 1,
            Which::All => grid.get(level).copied().unwrap_or(FIRST_GUESS),
        };
        let mut counts: Vec<Vec<u32>> = levels
            .iter()
            .map(|own| own.iter().enumerate().map(|(level, which)| room(level, which)).collect())
            .collect();
        let before = Snapshot::take(workspace)?;
        loop {
            let mut areas = Vec::new();
            let read = self.launch(plan, levels, &counts, &mut areas, workspace, context);
            for area in areas {
                workspace.device.free(area.data);
                workspace.device.free(area.table);
            }
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    let error = self.explained(plan.in_own_text(error, workspace));
                    return Err(error.note(before.restore(workspace, context)?));
                }
            };
            before.restore(workspace, context)?;
            let mut grown = false;
            for ((own, levels), (_, table)) in counts.iter_mut().zip(levels).zip(&read) {
                for (level, which) in levels.iter().enumerate().skip(PROGRAM_LEVELS) {
                    let needed = table.get(2 * levels.len() + level).copied().unwrap_or(0);
                    if *which == Which::All && needed > own[level] {
                        own[level] = needed.max(own[level].saturating_mul(2));
                        grown = true;
                    }
                }
            }
            if !grown {
                let all = self.wanted.iter().zip(levels).zip(&counts).zip(read);
                return all
                    .map(|(((wanted, levels), counts), (data, table))| cropped(wanted, levels, counts, data, &table))
                    .collect();
            }
        }
    }

    /// An error of the launch that is repeated: one of the stores that were added is no error of the kernel.
    fn explained(&self, error: Diagnostic) -> Diagnostic {
        if error.is_interrupted() {
            return error;
        }
        let Some(store) = probe_of(&error) else {
            return error.note("in the launch that is repeated to store the value, on what the buffers hold now");
        };
        let wanted = self.wanted.get(store).or(self.wanted.first());
        let name = wanted.map_or("the value", |wanted| wanted.definition.name.as_str());
        let message = format!("the stores that were added to read `{name}` failed, not the kernel's own code");
        let own = Diagnostic::error("not-dumped", message);
        let own = match wanted {
            Some(wanted) => own.at(wanted.span.clone(), ""),
            None => own,
        };
        let words = std::iter::once(error.message.clone()).chain(error.into_contents().notes);
        let own = words.fold(own, Diagnostic::note);
        own.help("another value of the kernel, or `--program` and `--iteration` for a part of this one")
    }

    /// One launch: the stored bytes and the table of each value.
    fn launch(
        &self,
        plan: &LaunchPlan,
        levels: &[Vec<Which>],
        counts: &[Vec<u32>],
        areas: &mut Vec<Area>,
        workspace: &mut Workspace,
        context: Context<'_>,
    ) -> Result<Vec<(Vec<u8>, Vec<u32>)>> {
        let mut extra = Vec::new();
        for ((wanted, levels), counts) in self.wanted.iter().zip(levels).zip(counts) {
            let slots = counts.iter().map(|&count| u64::from(count)).product::<u64>();
            let elements: u64 = wanted.ty.shape.iter().flatten().product();
            let bytes = slots.saturating_mul(elements).saturating_mul(dtype(wanted).size() as u64);
            if bytes > MOST_BYTES {
                let message = format!("`{}` is {} in all", wanted.definition.name, bytes_text(bytes));
                let error = Diagnostic::error("too-large", message).at(wanted.span.clone(), "");
                return Err(error.help("`--program 0` or `--iteration 0` takes a part of it"));
            }
            let mut table: Vec<u32> = Vec::new();
            for (which, &count) in levels.iter().zip(counts) {
                table.extend([if let Which::One(number) = which { *number } else { 0 }, count]);
            }
            table.resize(3 * levels.len() + slots as usize, 0);
            let raw: Vec<u8> = table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
            let data = workspace.device.allocate(&wanted.buffer, bytes)?;
            let place = workspace.device.allocate("the table of a dump", raw.len() as u64);
            let place = place.inspect_err(|_| workspace.device.free(data))?;
            areas.push(Area { data, table: place, bytes, entries: table.len() });
            workspace.device.write(data, &vec![0; bytes as usize])?;
            workspace.device.write(place, &raw)?;
            for address in [data, place] {
                let kind = GivenKind::Pointer { element: None, address };
                extra.push(GivenArgument { span: plan.header().call_span.clone(), label: wanted.buffer.clone(), kind });
            }
        }
        launch_once(&LaunchPlan { extra, ..plan.clone() }, None, workspace, context.cancel)?;
        let read = |area: &Area| {
            let (mut data, mut table) = (vec![0; area.bytes as usize], vec![0; area.entries * 4]);
            workspace.device.read(area.data, &mut data)?;
            workspace.device.read(area.table, &mut table)?;
            let entries = table.as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry));
            Ok((data, entries.collect()))
        };
        areas.iter().map(read).collect()
    }
}

/// The number of the probe on whose line an error is; `None` where it is on a line of the kernel's own.
fn probe_of(error: &Diagnostic) -> Option<usize> {
    let (source, label) = (error.source.as_ref()?, error.labels.first()?);
    let start = source.text.get(..label.span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = source.text.get(start..)?.lines().next()?;
    // The kernel's head names the probes' arguments.
    let (_, after) = line.split_once("%wb").filter(|_| !line.contains("tt.func"))?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The data type of the buffer that a value becomes.
fn dtype(wanted: &DumpedValue) -> Dtype {
    let element = wanted.ty.element.as_str();
    match element {
        "i1" => Dtype::I1,
        // Types that buffers do not have, as their bits.
        "f8E4M3FNUZ" | "f8E5M2FNUZ" | "f8E4M3B11FNUZ" => Dtype::U8,
        _ => Dtype::parse(&element.to_lowercase()).unwrap_or(Dtype::I64),
    }
}

/// What was stored, without the room that was not needed.
fn cropped(wanted: &DumpedValue, levels: &[Which], counts: &[u32], data: Vec<u8>, table: &[u32]) -> Result<Collected> {
    let flags = table.get(3 * levels.len()..).unwrap_or_default();
    // The number on each level of a slot.
    let numbers = |slot: usize| {
        let mut rest = slot;
        let mut numbers: Vec<usize> = counts
            .iter()
            .rev()
            .map(|&count| {
                let own = rest % (count.max(1) as usize);
                rest /= count.max(1) as usize;
                own
            })
            .collect();
        numbers.reverse();
        numbers
    };
    let mut extents: Vec<usize> = counts.iter().map(|&count| count as usize).collect();
    extents.iter_mut().skip(PROGRAM_LEVELS).for_each(|extent| *extent = 0);
    for (slot, _) in flags.iter().enumerate().filter(|(_, flag)| **flag != 0) {
        for (extent, number) in extents.iter_mut().zip(numbers(slot)).skip(PROGRAM_LEVELS) {
            *extent = (*extent).max(number + 1);
        }
    }
    let which = select::words(levels);
    if !flags.contains(&1) {
        let message = format!("`{}` was never computed: {which}", wanted.definition.name);
        let error = Diagnostic::error("never-computed", message).at(wanted.span.clone(), "");
        return Err(error.note("its branch was not taken, or its loop ended before"));
    }
    let dtype = dtype(wanted);
    let size = wanted.ty.shape.iter().flatten().product::<u64>() as usize * dtype.size();
    let (mut bytes, mut missing) = (Vec::new(), 0);
    for ((slot, flag), part) in flags.iter().enumerate().zip(data.chunks_exact(size.max(1))) {
        if numbers(slot).iter().zip(&extents).all(|(number, extent)| number < extent) {
            bytes.extend_from_slice(part);
            missing += usize::from(*flag == 0);
        }
    }
    let whole = levels.iter().zip(&extents).filter(|(which, _)| **which == Which::All).map(|(_, extent)| *extent);
    let own = wanted.ty.shape.iter().flatten().map(|&extent| extent as usize);
    let contents = Contents { dtype, shape: whole.chain(own).collect(), bytes };
    Ok(Collected { contents, which, missing })
}

/// Operations whose number says whether the kernel is compiled as it was.
const TELLING: [&str; 9] = [
    "convert_layout",
    "local_alloc",
    "local_load",
    "local_store",
    "async_copy_global_to_local",
    "async_tma_copy_global_to_local",
    "dot",
    "warp_group_dot",
    "tc_gen5_mma",
];

/// How a TTGIR with a dump differs from the one without in what matters.
fn differences(own: &str, dumped: &str) -> Vec<String> {
    let count = |text: &str, name: &str| {
        let operation = |line: &str| operations::in_mlir(line).map(|span| line[span].to_owned());
        text.lines().filter_map(operation).filter(|known| known.rsplit('.').next() == Some(name)).count()
    };
    let layouts = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with('#'));
        lines.filter_map(|line| line.split_once(" = ")).map(|(_, layout)| layout.to_owned()).collect()
    };
    let mut notes = Vec::new();
    for name in TELLING {
        let (before, after) = (count(own, name), count(dumped, name));
        if before != after {
            notes.push(format!("the dump changed the TTGIR: {after} {name} instead of {before}"));
        }
    }
    let (before, after) = (layouts(own), layouts(dumped));
    let gone: Vec<&String> = before.iter().filter(|layout| !after.contains(layout)).collect();
    notes.extend(gone.into_iter().map(|layout| format!("the dump changed the TTGIR: no value has {layout} any more")));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_an_added_store_is_known_by_its_line() {
        let text =
            "tt.func public @k(%x: !tt.ptr<f32>, %wb0: !tt.ptr<f32>) {\n  %1 = tt.load %x\n  tt.store %wb12_7, %1\n}\n";
        let source = Source::new("k.ttgir", text);
        let at = |word: &str| {
            let start = text.find(word).expect("a word");
            probe_of(&Diagnostic::error("out-of-bounds", "write").at(start..start + word.len(), "").in_source(&source))
        };
        assert_eq!((at("tt.store"), at("tt.load"), at("%wb0")), (Some(12), None, None));
        assert_eq!(probe_of(&Diagnostic::error("deadlock", "no place")), None);
    }
}
