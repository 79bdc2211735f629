//! The texts of all stages of a kernel, and which lines of one belong to which of the others.
//!
//! One stage is the hinge: TTGIR where there is one, or else the text that entered. It is compiled again without its
//! locations, so that the debug information of LLVM IR and PTX names its own lines; `nvdisasm` knows the PTX line of
//! each machine instruction; and what the original locations say leads back to Python. An operation whose place was
//! dropped (constants that several places share, what LLVM moves into another block) goes with what uses its result.

use std::collections::HashMap;
use std::time::Duration;

use super::subject::{Subject, compile, show_progress};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{Artifact, Compiled, Stage};
use warpbook_diagnostic::Result;
use warpbook_ir::places::{self, Place, Places};
use warpbook_ir::uses::{self, Notation};
use warpbook_ir::{locations, operations, sass};
use warpbook_ptx::isa::Opcode;
use warpbook_ptx::lines;

/// One line of a stage, with its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracedLine {
    /// Its number in the stage's own text, from 1.
    pub number: u32,
    /// The line's text without its newline.
    pub text: String,
    /// Bytes of the operation's name in `text`.
    pub operation: Option<std::ops::Range<usize>>,
    /// Lines of the hinge stage that this line comes from.
    pub hinges: Vec<u32>,
    /// Lines of the hinge stage that use the result, for a line whose own location was lost.
    pub uses: Vec<u32>,
    /// The line of the PTX, for PTX and machine code.
    pub ptx_line: Option<u32>,
}

/// The text of one stage, line by line.
#[derive(Clone, Debug)]
pub struct TracedStage {
    /// The stage that the lines belong to.
    pub stage: Stage,
    /// Its lines, without debug information.
    pub lines: Vec<TracedLine>,
    /// Number of bytes of the whole artifact.
    pub bytes: usize,
    /// Time that the compiler took for the stage.
    pub elapsed: Option<Duration>,
}

impl TracedStage {
    /// Operations by name, most frequent first.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let name = |line: &TracedLine| {
            let name = &line.text[line.operation.clone()?];
            Some(match self.stage {
                Stage::Ptx => Opcode::parse(name).family(),
                Stage::Sass => name.split('.').next().unwrap_or(name).to_owned(),
                _ => name.to_owned(),
            })
        };
        operations::count(self.lines.iter().filter_map(name))
    }

    /// How many of its operations lead to the hinge; for stages other than the hinge.
    pub fn linked(&self) -> Linked {
        let mut linked = Linked::default();
        for line in &self.lines {
            let Some(operation) = line.operation.clone() else { continue };
            linked.add(&line.text[operation], !line.hinges.is_empty(), !line.uses.is_empty());
        }
        linked
    }
}

impl TracedStage {
    /// How many machine instructions lead to a line of PTX.
    pub fn linked_to_ptx(&self) -> Linked {
        let mut linked = Linked::default();
        for line in &self.lines {
            let Some(operation) = line.operation.clone() else { continue };
            linked.add(&line.text[operation], line.ptx_line.is_some(), false);
        }
        linked
    }
}

/// How many operations of a stage lead to another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Number of operations.
    pub all: usize,
    /// Number of operations that have a location of their own.
    pub placed: usize,
    /// Number of operations that are linked by what uses their result.
    pub by_use: usize,
    /// Names of the operations that are not linked.
    pub rest: Vec<String>,
}

impl Linked {
    fn add(&mut self, operation: &str, placed: bool, by_use: bool) {
        self.all += 1;
        self.placed += usize::from(placed);
        self.by_use += usize::from(by_use);
        if !placed && !by_use {
            self.rest.push(operation.to_owned());
        }
    }
}

/// Lines that one whose place was dropped goes with, at most.
const USERS: usize = 24;

/// Links operations without a location by the operations that use their results.
fn fill(lines: &mut [TracedLine], notation: Notation) {
    let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let users = uses::users(&text.join("\n"), notation);
    let mut keys: Vec<Vec<u32>> = lines.iter().map(|line| line.hinges.clone()).collect();
    for at in uses::inherit(&mut keys, &users, |at| lines[at].operation.is_some(), USERS) {
        lines[at].uses = std::mem::take(&mut keys[at]);
    }
}

/// The stages of one compilation, with links between their lines.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The stages in the order of lowering.
    pub stages: Vec<TracedStage>,
    /// The stage whose lines link the others.
    pub hinge: Stage,
    /// How many operations of the hinge stage lead to a line of Python; `None` if there is no Python source.
    pub to_python: Option<Linked>,
    /// The functions of the machine code.
    pub code: Vec<sass::Function>,
    /// The cubin that `code` was disassembled from.
    pub cubin: Option<warpbook_compiler::Artifact>,
    /// Notes for the reader, one sentence each.
    pub notes: Vec<String>,
}

impl Trace {
    /// A stage, if the kernel has it.
    pub fn stage(&self, stage: Stage) -> Option<&TracedStage> {
        self.stages.iter().find(|traced| traced.stage == stage)
    }
}

/// Links the lines of all stages of a version.
pub fn trace(subject: &Subject, workspace: &mut Workspace, context: Context<'_>) -> Result<Trace> {
    let mut notes = Vec::new();
    let (hinge, compiled) = compile_again(subject, &mut notes, workspace, context)?;
    let version = Version { subject, hinge, compiled };
    let cubin = version.cubin();
    let code = match &cubin {
        Some(cubin) => {
            let triton = subject.triton(workspace, context.cancel)?;
            let listing = workspace
                .compiler
                .disassemble(&cubin.content, &triton, context.cancel, &mut |news| show_progress(news, context))?;
            sass::parse(&listing)
        }
        None => Vec::new(),
    };
    let (mut stages, to_python) = version.upwards(workspace, context)?;
    let mut links = Links { hinge, file: format!("{}.{hinge}", subject.name), numbers: HashMap::new() };
    stages.extend(version.llir(&mut links));
    let ptx = version.ptx(cubin.as_ref(), &mut links, &mut notes);
    let hinges_of_ptx: HashMap<u32, (Vec<u32>, Vec<u32>)> = ptx
        .iter()
        .flat_map(|ptx| &ptx.lines)
        .map(|line| (line.number, (line.hinges.clone(), line.uses.clone())))
        .collect();
    stages.extend(ptx);
    if let Some(cubin) = &cubin
        && !code.is_empty()
    {
        let lines = sass_lines(&code, &hinges_of_ptx);
        let elapsed = version.below(Stage::Cubin).map(|(_, elapsed)| elapsed).filter(|elapsed| !elapsed.is_zero());
        stages.push(TracedStage { stage: Stage::Sass, lines, bytes: cubin.content.len(), elapsed });
    }
    Ok(Trace { stages, hinge, to_python, code, cubin, notes })
}

/// Compiles a version again from its TTGIR, or from where it entered, so that debug information leads to that stage: the
/// hinge. `None` where nothing below the hinge comes out; a note says why there is no machine code.
fn compile_again(
    subject: &Subject,
    notes: &mut Vec<String>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<(Stage, Option<Compiled>)> {
    let version = &subject.version;
    let text_of = |stage| version.artifact(stage).and_then(|artifact| artifact.text());
    let hinge = [Stage::Ttgir, version.entered].into_iter().find(|stage| text_of(*stage).is_some());
    let Some(hinge) = hinge else { return Ok((Stage::Ptx, None)) };
    let request =
        subject.request(hinge, Stage::Cubin, text_of(hinge).unwrap_or_default(), workspace, context.cancel)?;
    match compile(&request, workspace, context) {
        Ok(compiled) => Ok((hinge, Some(compiled))),
        Err(error) if error.is_interrupted() => Err(error),
        // What ptxas refuses still has its PTX.
        Err(error) => {
            notes.push(format!("no machine code: {}", error.message));
            let request = warpbook_compiler::CompileRequest { until: Stage::Ptx, ..request };
            let compiled = if hinge < Stage::Ptx { compile(&request, workspace, context).ok() } else { None };
            Ok((hinge, compiled))
        }
    }
}

/// A version of a kernel, and what came out when it was compiled again from its hinge.
struct Version<'a> {
    subject: &'a Subject,
    hinge: Stage,
    compiled: Option<Compiled>,
}

impl Version<'_> {
    /// The version's own text of a stage.
    fn text(&self, stage: Stage) -> Option<&str> {
        self.subject.version.artifact(stage).and_then(|artifact| artifact.text())
    }

    /// How long the version's own compilation took for a stage; `None` for the stage at which it entered.
    fn own_elapsed(&self, stage: Stage) -> Option<Duration> {
        let version = &self.subject.version;
        let own = version.stages.iter().find(|outcome| outcome.artifact.stage == stage);
        own.filter(|_| stage != version.entered).map(|outcome| outcome.elapsed)
    }

    /// A stage that was compiled again, and how long that took.
    fn below(&self, stage: Stage) -> Option<(Artifact, Duration)> {
        let outcome = self.compiled.as_ref().and_then(|compiled| compiled.stage(stage));
        outcome.map(|outcome| (outcome.artifact.clone(), outcome.elapsed))
    }

    /// The machine code: compiled again, or the version's own.
    fn cubin(&self) -> Option<Artifact> {
        let again = self.below(Stage::Cubin).map(|(artifact, _)| artifact);
        again.or_else(|| self.subject.version.artifact(Stage::Cubin).cloned())
    }

    /// Python, TTIR and TTGIR with their links, and the hinge's lines by the line of Python.
    fn upwards(&self, workspace: &mut Workspace, context: Context<'_>) -> Result<(Vec<TracedStage>, Option<Linked>)> {
        let hinge = self.hinge;
        if hinge != Stage::Ttgir {
            // It went no further than its own text.
            let text = self.text(hinge).filter(|_| hinge < Stage::Ttgir);
            let stages = text.map(|text| {
                let lines = text.lines().enumerate().map(|(at, line)| TracedLine {
                    number: at as u32 + 1,
                    text: line.to_owned(),
                    ..TracedLine::default()
                });
                TracedStage { stage: hinge, lines: lines.collect(), bytes: text.len(), elapsed: None }
            });
            return Ok((stages.into_iter().collect(), None));
        }
        let mut stages = Vec::new();
        let mut to_python = None;
        let ttgir = self.text(Stage::Ttgir).unwrap_or_default();
        let origins = places::read_mlir(ttgir);
        let mut unplaced = HashMap::new();
        if let Some((python, stage)) = [Stage::Triton, Stage::Gluon].into_iter().find_map(|s| Some((self.text(s)?, s)))
        {
            let (lines, linked, uses) = python_lines(python, ttgir, &origins);
            to_python = Some(linked);
            unplaced = uses;
            stages.push(TracedStage { stage, lines, bytes: python.len(), elapsed: None });
        }
        for stage in [Stage::Glir, Stage::Ttir] {
            let Some(text) = self.text(stage) else { continue };
            let hinges = hinges_above(self.subject, (stage, text), ttgir, &origins, workspace, context)?;
            let mut lines = mlir_lines(text, |number| hinges.get(&number).cloned().unwrap_or_default());
            fill(&mut lines, Notation::Mlir);
            stages.push(TracedStage { stage, lines, bytes: text.len(), elapsed: self.own_elapsed(stage) });
        }
        let mut lines = mlir_lines(ttgir, |number| vec![number]);
        for line in &mut lines {
            line.uses = unplaced.remove(&line.number).unwrap_or_default();
        }
        let elapsed = self.own_elapsed(Stage::Ttgir);
        stages.push(TracedStage { stage: Stage::Ttgir, lines, bytes: ttgir.len(), elapsed });
        Ok((stages, to_python))
    }

    fn llir(&self, links: &mut Links) -> Option<TracedStage> {
        let (artifact, elapsed) = self.below(Stage::Llir)?;
        let text = artifact.text()?;
        let mut lines = llvm_lines(text, links);
        if self.hinge < Stage::Llir {
            fill(&mut lines, Notation::Llvm);
        }
        let elapsed = self.own_elapsed(Stage::Llir).or_else(|| (self.hinge != Stage::Llir).then_some(elapsed));
        Some(TracedStage { stage: Stage::Llir, lines, bytes: text.len(), elapsed })
    }

    /// The PTX: compiled again, the version's own, or what the cubin carries.
    fn ptx(&self, cubin: Option<&Artifact>, links: &mut Links, notes: &mut Vec<String>) -> Option<TracedStage> {
        let again =
            self.below(Stage::Ptx).and_then(|(artifact, elapsed)| Some((artifact.text()?.to_owned(), Some(elapsed))));
        let own = || self.text(Stage::Ptx).map(|text| (text.to_owned(), None));
        let carried = || {
            let file = object::File::parse(&*cubin?.content).ok()?;
            Some((warpbook_ptx::embedded_in(&file)?, None))
        };
        let (text, elapsed) = again.or_else(own).or_else(carried)?;
        if let Some(own) = self.text(Stage::Ptx) {
            let differ = instructions(own).zip(instructions(&text)).filter(|(a, b)| a != b).count()
                + instructions(own).count().abs_diff(instructions(&text).count());
            if differ > 0 {
                notes.push(format!(
                    "compiled again from its {} for this view, {differ} PTX lines differ from those that were run",
                    self.hinge
                ));
            }
        }
        let mut lines = ptx_lines(&text, links);
        if self.hinge < Stage::Ptx {
            fill(&mut lines, Notation::Ptx);
        }
        let elapsed = self.own_elapsed(Stage::Ptx).or_else(|| elapsed.filter(|_| self.hinge != Stage::Ptx));
        Some(TracedStage { stage: Stage::Ptx, lines, bytes: text.len(), elapsed })
    }
}

/// The PTX lines that hold instructions.
fn instructions(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.lines().map(str::trim).filter(|line| lines::is_instruction(line))
}

/// What places of debug information mean in lines of the hinge.
struct Links {
    hinge: Stage,
    file: String,
    /// Where the hinge is LLVM IR: its own debug information, each place a number.
    numbers: HashMap<Place, u32>,
}

impl Links {
    fn hinges(&mut self, places: &[Place]) -> Vec<u32> {
        match self.hinge {
            Stage::Llir => {
                let next = self.numbers.len() as u32 + 1;
                places.first().map(|place| *self.numbers.entry(place.clone()).or_insert(next)).into_iter().collect()
            }
            _ => places
                .iter()
                .filter(|place| place.file == self.file && place.line > 0)
                .map(|place| place.line)
                .collect(),
        }
    }
}

/// The lines of TTIR or TTGIR without locations.
pub fn mlir_lines(text: &str, hinges: impl Fn(u32) -> Vec<u32>) -> Vec<TracedLine> {
    let kept = text.lines().zip(1..).filter(|(line, _)| !(line.starts_with("#loc") && line.contains("= loc(")));
    let shown = locations::remove(text);
    kept.zip(shown.lines())
        .map(|((_, number), shown)| {
            let operation = operations::in_mlir(shown);
            let hinges = if operation.is_some() { hinges(number) } else { Vec::new() };
            TracedLine { number, text: shown.to_owned(), operation, hinges, ..TracedLine::default() }
        })
        .collect()
}

/// The file that the kernel's locations name, and what its lines' numbers are above those of the kernel's own text.
pub fn python_origin(python: &str, ttgir: &str, origins: &Places) -> (String, i64) {
    // The kernel's own location is the line of its `def`; a kernel of a package has its file's numbers.
    let function = ttgir.lines().position(|line| line.contains("tt.func public"));
    let own = function.and_then(|at| origins.get(at)?.last().cloned());
    let name = warpbook_ir::mlir::functions(ttgir).into_iter().find(|function| !function.is_private).map(|f| f.name);
    let defined = python.lines().position(|line| {
        let rest = line.trim_start().strip_prefix("def ").unwrap_or_default();
        name.as_ref().is_some_and(|name| rest.starts_with(name.as_str()))
    });
    match (&own, defined) {
        (Some(own), Some(at)) => (own.file.clone(), i64::from(own.line) - at as i64 - 1),
        (Some(own), None) => (own.file.clone(), 0),
        _ => (String::new(), 0),
    }
}

/// The lines of the kernel's Python, how many operations of the TTGIR lead to one of them, and for each line of the TTGIR
/// that leads to none by its own place the lines that use its result.
fn python_lines(python: &str, ttgir: &str, origins: &Places) -> (Vec<TracedLine>, Linked, HashMap<u32, Vec<u32>>) {
    let (file, offset) = python_origin(python, ttgir, origins);
    let count = python.lines().count() as i64;
    let operation_of: Vec<Option<&str>> =
        ttgir.lines().map(|line| operations::in_mlir(line).map(|span| &line[span])).collect();
    let mut own_lines: Vec<Vec<u32>> = Vec::new();
    for (places, operation) in origins.iter().zip(&operation_of) {
        let places = places.iter().filter(|place| operation.is_some() && place.file == file);
        let own = places.map(|place| i64::from(place.line) - offset).filter(|own| (1..=count).contains(own));
        own_lines.push(own.filter_map(|own| u32::try_from(own).ok()).collect());
    }
    let users = uses::users(ttgir, Notation::Mlir);
    let by_use = uses::inherit(&mut own_lines, &users, |at| operation_of.get(at).is_some_and(Option::is_some), USERS);
    let mut hinges: HashMap<u32, Vec<u32>> = HashMap::new();
    let (mut linked, mut unplaced) = (Linked::default(), HashMap::new());
    for (at, (own, operation)) in own_lines.iter().zip(&operation_of).enumerate() {
        let Some(operation) = operation else { continue };
        let is_by_use = by_use.contains(&at);
        linked.add(operation, !own.is_empty() && !is_by_use, is_by_use);
        if is_by_use {
            unplaced.insert(at as u32 + 1, users[at].iter().take(USERS).map(|&user| user as u32 + 1).collect());
        } else {
            own.iter().for_each(|line| hinges.entry(*line).or_default().push(at as u32 + 1));
        }
    }
    let lines = python.lines().zip(1..).map(|(line, number): (&str, u32)| TracedLine {
        number,
        text: line.to_owned(),
        hinges: hinges.remove(&number).unwrap_or_default(),
        ..TracedLine::default()
    });
    (lines.collect(), linked, unplaced)
}

/// For each line of the TTIR or the GLIR the lines of the TTGIR that were made of it: from its own locations where compiling it
/// again gives the same TTGIR, and otherwise through the lines of Python that both come from.
fn hinges_above(
    subject: &Subject,
    (stage, text): (Stage, &str),
    ttgir: &str,
    origins: &Places,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<HashMap<u32, Vec<u32>>> {
    let mut hinges: HashMap<u32, Vec<u32>> = HashMap::new();
    let request = subject.request(stage, Stage::Ttgir, text, workspace, context.cancel)?;
    let again = match compile(&request, workspace, context) {
        Err(error) if error.is_interrupted() => return Err(error),
        other => other.ok(),
    };
    let again = again.as_ref().and_then(|compiled| compiled.stage(Stage::Ttgir)?.artifact.text());
    let file = format!("{}.{stage}", subject.name);
    if let Some(again) = again.filter(|again| locations::remove(again) == locations::remove(ttgir)) {
        // The locations' aliases may stand elsewhere: lines are counted without them.
        let kept = |text: &str| -> Vec<u32> {
            let lines = text.lines().zip(1..);
            lines.filter(|(line, _)| !line.starts_with("#loc")).map(|(_, number)| number).collect()
        };
        let places = places::read_mlir(again);
        for (theirs, own) in kept(again).into_iter().zip(kept(ttgir)) {
            for place in places.get(theirs as usize - 1).into_iter().flatten().filter(|place| place.file == file) {
                hinges.entry(place.line).or_default().push(own);
            }
        }
        return Ok(hinges);
    }
    let mut by_place: HashMap<&Place, Vec<u32>> = HashMap::new();
    for (places, number) in origins.iter().zip(1..) {
        places.first().into_iter().for_each(|place| by_place.entry(place).or_default().push(number));
    }
    for (places, number) in places::read_mlir(text).iter().zip(1..) {
        if let Some(lines) = places.first().and_then(|place| by_place.get(place)) {
            hinges.insert(number, lines.clone());
        }
    }
    Ok(hinges)
}

fn llvm_lines(text: &str, links: &mut Links) -> Vec<TracedLine> {
    let mut lines: Vec<TracedLine> = text
        .lines()
        .zip(places::read_llvm(text))
        .zip(1..)
        .filter(|((line, _), _)| !line.starts_with(['!', ';']) && !line.starts_with("source_filename"))
        .map(|((line, places), number)| {
            let shown = line.find(", !dbg !").map_or(line, |at| &line[..at]);
            let text = if line.ends_with('{') { line } else { shown };
            let operation = operations::in_llvm(text);
            let hinges = if operation.is_some() { links.hinges(&places) } else { Vec::new() };
            TracedLine { number, text: text.to_owned(), operation, hinges, ..TracedLine::default() }
        })
        .collect();
    while lines.last().is_some_and(|line| line.text.trim().is_empty()) {
        lines.pop();
    }
    lines
}

fn ptx_lines(text: &str, links: &mut Links) -> Vec<TracedLine> {
    let mut lines = Vec::new();
    for ((line, places), number) in text.lines().zip(places::read_ptx(text)).zip(1..) {
        let trimmed = line.trim();
        // The debug sections come last.
        if trimmed.starts_with(".section") {
            break;
        }
        let is_debug = trimmed.starts_with(".loc") || trimmed.starts_with(".file") || trimmed.starts_with("$L__tmp");
        if is_debug || trimmed == "//" || trimmed.is_empty() || trimmed.starts_with("$L__func_") {
            continue;
        }
        let operation = lines::opcode_span(line);
        let hinges = match (links.hinge, operation.is_some()) {
            (_, false) => Vec::new(),
            (Stage::Ptx, true) => vec![number],
            (_, true) => links.hinges(&places),
        };
        let ptx_line = operation.is_some().then_some(number);
        let text = line.replace('\t', "  ");
        lines.push(TracedLine { number, text, hinges, ptx_line, ..TracedLine::default() });
        if let Some(last) = lines.last_mut() {
            last.operation = lines::opcode_span(&last.text);
        }
    }
    lines
}

fn sass_lines(code: &[sass::Function], hinges: &HashMap<u32, (Vec<u32>, Vec<u32>)>) -> Vec<TracedLine> {
    let mut lines = Vec::new();
    for function in code {
        for instruction in &function.instructions {
            for label in &instruction.labels {
                lines.push(TracedLine { text: format!("{label}:"), ..TracedLine::default() });
            }
            let control = instruction.control.map(sass::Control::text).unwrap_or_default();
            let text = format!("{control}  {}", instruction.text);
            let at = text.len() - instruction.text.len() + instruction.text.find(instruction.opcode()).unwrap_or(0);
            let of_ptx = instruction.ptx_line.and_then(|line| hinges.get(&line).cloned());
            let (hinges, uses) = of_ptx.unwrap_or_default();
            lines.push(TracedLine {
                number: u32::try_from(instruction.address).unwrap_or(u32::MAX),
                operation: Some(at..at + instruction.opcode().len()),
                text,
                hinges,
                uses,
                ptx_line: instruction.ptx_line,
            });
        }
    }
    lines
}
