//! `%dump`: any value of a kernel as a whole tensor, which becomes a named buffer: a variable of its Python, or a value
//! of its TTIR or TTGIR.

mod dumped_value;
mod launch;
mod names;
mod select;

use std::ops::Range;

use serde_json::json;

use self::dumped_value::{DumpedValue, in_text, is_identifier};
use self::launch::{Collected, Dumping};
use self::select::Selection;
use super::layout::Source;
use super::subject::{KERNEL, Subject, show_progress};
use crate::magics::buffers::{buf, show};
use crate::magics::cells::edit;
use crate::magics::cells::edit::{artifact, readable};
use crate::magics::declare::kinds::{List, Number, StageName, Text};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{self, Call, Example, Magic, Needs, Spec};
use crate::render::{Block, Document, Limited, Output, Prose};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::Stage;
use warpbook_device::{Contents, Recipe};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::probe::ValueType;
use warpbook_ir::shaped::Kind;
use warpbook_ir::values::{self, Definition, Obstacle};

/// `%dump [KERNEL[@VERSION]] %VALUE…`.
pub struct Dump;

const VALUES: Argument<Text> = Argument::several(
    "VALUE",
    Text {
        claims: |text, _, workspace| {
            let is_variable = || workspace.kernels.get(text).is_none() && names::Variable::parse(text).is_some();
            text.starts_with('%') || is_variable()
        },
        ..Text::new("VARIABLE|%VALUE", "a variable of the Python such as acc, or a value of the IR such as %27")
    },
    "variables of the Python (`acc`; `acc:11` for what line 11 assigns), or values of the TTGIR or TTIR (`%27`)",
);
const STAGE: Argument<StageName> = Argument::option(
    "--stage",
    StageName { stages: &[Stage::Ttgir, Stage::Ttir] },
    "the stage that the values are of: by default ttgir for `%27`, and ttir for variables",
);
const LINE: Argument<Number<usize>> = Argument::option(
    "--line",
    Number::new("N", "the number of a line"),
    "the definition at this line of the stage's text, where there are several",
);
const NAMES: Argument<List<Text>> = Argument::option(
    "--as",
    List::new("NAME", Text::new("NAME", "a name")),
    "the buffer's name; with commas between the names of several values",
);

const SPEC: Spec = Spec {
    name: "dump",
    kind: magics::Kind::Line,
    summary: "any variable of a kernel's Python, or value of its TTIR or TTGIR, as a whole tensor",
    arguments: &[&KERNEL, &VALUES],
    options: &[&STAGE, &select::PROGRAM, &select::ITERATION, &LINE, &NAMES],
    details: "The kernel is compiled again from that stage, with stores of the values behind their definitions, and launched as \
              it was launched last, on what the buffers hold now, which they keep. `%27` becomes the buffer `dump_27`, in \
              its own type (pointers as i64). `all` for a program's coordinate or an iteration adds a dimension; without \
              `--iteration`, a value in a loop has a dimension for all iterations.",
    examples: &[
        Example { cell: "%dump matmul acc", needs: Needs::Matmul, shows: "dump_acc" },
        Example { cell: "%dump matmul acc --program all,0 --as partial", needs: Needs::Matmul, shows: "partial" },
    ],
};

/// Bytes of the text; elements beyond them are left to `%show`.
const LONGEST_TEXT: usize = 3000;

impl Magic for Dump {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let cell = &call.cell.text;
        let subject = Subject::typed(typed, workspace)?;
        let spans: Vec<Range<usize>> = typed.spans(&VALUES).collect();
        let has_variables = spans.iter().any(|span| !cell[span.clone()].starts_with('%'));
        let has_ttir = subject.version.artifact(Stage::Ttir).is_some();
        let stage = match typed.get(&STAGE) {
            // A line of Python is still in one piece there.
            None if has_variables && has_ttir => Stage::Ttir,
            None => Stage::Ttgir,
            Some(Stage::Ttgir) if has_variables && has_ttir => {
                let error = Diagnostic::error("option-value", "variables are looked up in the ttir");
                let error = error.at(typed.place(&STAGE), "");
                return Err(error.help("a value of the ttgir begins with `%`"));
            }
            Some(stage) => *stage,
        };
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let Some(launched) = kernel.launch.clone() else {
            let message = format!("`{}` was never launched, so its arguments are not known", subject.name);
            let error = Diagnostic::error("never-launched", message).at(call.arguments.clone(), "");
            return Err(error.help(format!("`%launch {}[GRID](ARGUMENTS)`", subject.name)));
        };
        let found = artifact(kernel, &subject.version, stage);
        let found = found.map_err(|error| error.at(call.arguments.clone(), ""))?;
        let text = without_comment(&readable(stage, found));
        let entry = subject.version.meta.entry.value.clone();
        let definitions = values::definitions(&text, &entry);
        let line = typed.get(&LINE).copied();
        let names = typed.get(&NAMES);
        if let Some(names) = names
            && (names.len() != spans.len() || !names.iter().all(|name| is_identifier(&name.value.value)))
        {
            let error = Diagnostic::error("option-value", "`--as` takes a name for each value");
            return Err(error.at(typed.place(&NAMES), format!("for {} value(s)", spans.len())));
        }
        let (mut wanted, mut choices) = (Vec::new(), Vec::new());
        for (at, span) in spans.into_iter().enumerate() {
            let word = &cell[span.clone()];
            let located = |error: Diagnostic| error.at(span.clone(), "");
            let definition = match names::Variable::parse(word) {
                Some(variable) => {
                    let found = variable.find(&subject, stage, &definitions).map_err(located)?;
                    choices.extend(found.note);
                    found.definition
                }
                None => find(&definitions, word, line).map_err(located)?.clone(),
            };
            let ty = storable(&subject, stage, &text, &definition, &span, workspace, context)?;
            // Tensors have extents of powers of two; stages of a pipeline need not be so many.
            if ty.memory.is_some()
                && let Some(count) = ty.shape.iter().flatten().find(|extent| !extent.is_power_of_two())
            {
                let message = format!("`{}` is {count} buffers, not a tensor", definition.name);
                let error = Diagnostic::error("not-dumped", message)
                    .note(format!("its type: {}", ty.memory.as_deref().unwrap_or_default()));
                return Err(located(error.help("a view of one of them can be dumped")));
            }
            let buffer = match names.and_then(|names| names.get(at)) {
                Some(name) => name.value.value.clone(),
                None => format!("dump_{}", word.trim_start_matches('%').replace(['#', '.', '-', '$', ':'], "_")),
            };
            wanted.push(DumpedValue { definition: definition.clone(), ty, buffer, span });
        }
        let selection = Selection::typed(typed);
        let dumping = Dumping { subject: &subject, stage, text: &text, launched: &launched, wanted: &wanted };
        let (collected, more) = dumping.run(&selection, workspace, context)?;
        let notes: Vec<String> = choices.into_iter().chain(more).collect();
        output(&subject, stage, &wanted, collected, &notes, workspace).map(Some)
    }
}

/// A value of the TTGIR as one program of the last launch had it, for views that look for it elsewhere.
pub struct Value {
    /// Where the TTGIR defines the value.
    pub definition: Definition,
    /// The text of that TTGIR, without locations.
    pub text: String,
    pub ty: ValueType,
    /// Its elements; a dimension for each loop around it comes first.
    pub contents: Contents,
    /// What the reader should know of the choice.
    pub note: Option<String>,
}

/// The value that a word of the cell names: `%27`, or a variable of the Python.
pub fn value(
    subject: &Subject,
    span: &Range<usize>,
    program: [u32; 3],
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Value> {
    let located = |error: Diagnostic| error.at(span.clone(), "");
    let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
    let Some(launched) = kernel.launch.clone() else {
        let message = format!("`{}` was never launched, so its arguments are not known", subject.name);
        return Err(located(Diagnostic::error("never-launched", message)));
    };
    let found = artifact(kernel, &subject.version, Stage::Ttgir).map_err(located)?;
    let text = without_comment(&readable(Stage::Ttgir, found));
    let definitions = values::definitions(&text, &subject.version.meta.entry.value);
    let word = &call.cell.text[span.clone()];
    let (definition, note) = match names::Variable::parse(word) {
        Some(variable) => {
            // The TTGIR has more values of a line: buffers, tokens, operands. The variable's is like that of the TTIR.
            let tensors = tensors_like(subject, &variable, &text, &definitions);
            let found = variable.find(subject, Stage::Ttgir, &tensors);
            let found = found.or_else(|_| variable.find(subject, Stage::Ttgir, &definitions)).map_err(located)?;
            (found.definition, found.note)
        }
        None => (find(&definitions, word, None).map_err(located)?.clone(), None),
    };
    let ty = storable(subject, Stage::Ttgir, &text, &definition, span, workspace, context)?;
    let wanted = [DumpedValue { definition, ty, buffer: String::new(), span: span.clone() }];
    let dumping = Dumping { subject, stage: Stage::Ttgir, text: &text, launched: &launched, wanted: &wanted };
    let (collected, _) = dumping.run(&Selection::single_program(program), workspace, context)?;
    let ([DumpedValue { definition, ty, .. }], Some(collected)) = (wanted, collected.into_iter().next()) else {
        return Err(located(Diagnostic::error("not-dumped", format!("`{word}` was not read back"))));
    };
    Ok(Value { definition, text, ty, contents: collected.contents, note })
}

/// The values of a TTGIR that are tensors in registers, with the extents and elements that a variable has in the TTIR.
fn tensors_like(
    subject: &Subject,
    variable: &names::Variable<'_>,
    text: &str,
    definitions: &[Definition],
) -> Vec<Definition> {
    let ttir = subject.version.artifact(Stage::Ttir).map(|ttir| without_comment(&readable(Stage::Ttir, ttir)));
    let wanted = ttir.and_then(|ttir| {
        let known = values::definitions(&ttir, &subject.version.meta.entry.value);
        let own = variable.find(subject, Stage::Ttir, &known).ok()?.definition;
        let line = ttir.lines().nth(own.line)?;
        // The type of the result comes last behind an arrow, and first of several operands' types.
        let is_last = line.contains("->") || line.contains(" to tensor");
        let (_, ty) = if is_last { line.rsplit_once("tensor<")? } else { line.split_once("tensor<")? };
        Some(ty.split_once('>').map_or(ty, |(ty, _)| ty).to_owned())
    });
    let source = Source::new(text);
    let is_like = |definition: &&Definition| {
        let used = source.find(&definition.name).and_then(|found| found.used);
        used.is_some_and(|used| {
            let ty = used.describe().replace('×', "x");
            used.kind == Kind::Tensor && wanted.as_ref().is_none_or(|wanted| ty.starts_with(wanted.as_str()))
        })
    };
    definitions.iter().filter(is_like).cloned().collect()
}

/// The type of a value, where stores of it can be put behind its definition.
fn storable(
    subject: &Subject,
    stage: Stage,
    text: &str,
    definition: &Definition,
    span: &Range<usize>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<ValueType> {
    refuse(definition, text).map_err(|error| error.at(span.clone(), ""))?;
    let ty = type_of(subject, stage, text, definition, workspace, context)?;
    ValueType::parse(&ty).map_err(|why| {
        let error = Diagnostic::error("not-dumped", format!("`{}` cannot be dumped: {why}", definition.name));
        error.at(span.clone(), "").note(format!("its type: {ty}"))
    })
}

/// The text with its `warpbook:` comment blanked out: what that says of the parameters is no longer so.
fn without_comment(text: &str) -> String {
    let keep =
        |line: &str| if line.trim_start().starts_with("// warpbook:") { "\n".to_owned() } else { line.to_owned() };
    text.split_inclusive('\n').map(keep).collect()
}

/// The definition of a value with this name.
fn find<'a>(definitions: &'a [Definition], name: &str, line: Option<usize>) -> Result<&'a Definition> {
    let all = || definitions.iter().filter(|definition| definition.name == name);
    let found: Vec<&Definition> = match line {
        Some(line) => all().filter(|definition| definition.line + 1 == line).collect(),
        None => all().collect(),
    };
    let lines = |of: &mut dyn Iterator<Item = &Definition>| {
        of.map(|definition| (definition.line + 1).to_string()).collect::<Vec<_>>().join(", ")
    };
    let definition = match found.as_slice() {
        [one] => *one,
        [] => {
            let error = Diagnostic::error("unknown-value", format!("there is no value `{name}`"));
            let parts: Vec<&str> = definitions
                .iter()
                .map(|definition| definition.name.as_str())
                .filter(|known| known.split_once('#').is_some_and(|(base, _)| base == name))
                .collect();
            return Err(match (parts.first(), parts.last()) {
                (Some(first), Some(last)) => error.help(format!("it has several results: `{first}` to `{last}`")),
                _ if all().next().is_some() => error.note(format!("it is defined at line {}", lines(&mut all()))),
                _ => match nearest(name, definitions.iter().map(|definition| definition.name.as_str())) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`%stages` shows the text with the values' names"),
                },
            });
        }
        several => {
            let error = Diagnostic::error("unknown-value", format!("{} values are called `{name}`", several.len()));
            let lines = lines(&mut several.iter().copied());
            return Err(error.help(format!("`--line` says which one: {lines}")));
        }
    };
    Ok(definition)
}

/// Refuses a definition where nothing can be stored.
fn refuse(definition: &Definition, text: &str) -> Result<()> {
    let name = &definition.name;
    let line = text.lines().nth(definition.line).unwrap_or_default();
    if line.contains("warp_group_dot %") && line.contains("isAsync = true") {
        let message = format!("`{name}` cannot be dumped: the tensor cores are still at work on it there");
        let error = Diagnostic::error("not-dumped", message);
        // `%36:3 = ttng.warp_group_dot_wait %33, %34, %35 {pendings = 0 : i32} : …`: each result is an operand's.
        let waited = text.lines().find_map(|line| {
            let (left, right) = line.split_once(" = ").filter(|(_, right)| right.contains("warp_group_dot_wait"))?;
            let mut operands = right.split([' ', ',']).filter(|word| word.starts_with('%'));
            let position = operands.position(|operand| operand == name)?;
            Some(match left.trim().split_once(':') {
                Some((base, _)) => format!("{base}#{position}"),
                None => left.trim().to_owned(),
            })
        });
        return Err(match waited {
            Some(waited) => error.help(format!("its value is there when it was waited for: `{waited}`")),
            None => error.help("the result of its `warp_group_dot_wait` can be"),
        });
    }
    let why = match &definition.obstacle {
        None => return Ok(()),
        Some(Obstacle::Function(function)) => format!("it is in `{function}`, which the kernel calls"),
        Some(Obstacle::Region(operation)) => format!("it is inside of a `{operation}`, where nothing can be stored"),
        Some(Obstacle::Partition) => "it is in a partition of a warp specialisation".to_owned(),
        Some(Obstacle::While) => "it is in a `scf.while`, whose iterations have no number".to_owned(),
    };
    Err(Diagnostic::error("not-dumped", format!("`{name}` cannot be dumped: {why}")))
}

/// The type of a value, in the words of MLIR's parser: it is show_progress to use the value as something else.
fn type_of(
    subject: &Subject,
    stage: Stage,
    text: &str,
    definition: &Definition,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let wrong = format!("\"arith.extui\"({}) : (i7) -> i9", definition.name);
    lines.insert(definition.insert.min(lines.len()), &wrong);
    let request = subject.request(stage, Stage::Llir, &lines.join("\n"), workspace, context.cancel)?;
    let found = workspace.compiler.value_type(&request, context.cancel, &mut |news| show_progress(news, context));
    found.map_err(|failure| in_text(failure.diagnostic, subject, &request))
}

fn output(
    subject: &Subject,
    stage: Stage,
    wanted: &[DumpedValue],
    collected: Vec<Collected>,
    notes: &[String],
    workspace: &mut Workspace,
) -> Result<Output> {
    let headline = format!("{} · {stage}", subject.headline());
    let mut document = Document::new(headline);
    let mut facts = Vec::new();
    for (wanted, Collected { contents, which, missing }) in wanted.iter().zip(collected) {
        let recipe = Recipe::Dump(format!(
            "{} of {} v{}, {which}",
            wanted.definition.name, subject.name, subject.version.number
        ));
        let buffer = buf::store(workspace, &wanted.buffer, &contents, recipe)?;
        let mut head = buf::line(buffer);
        if missing > 0 {
            head += &format!("\n{missing} of its executions did not come: their elements are 0");
        }
        facts.push(json!({
            "value": wanted.definition.name, "buffer": wanted.buffer, "shape": contents.shape, "dtype": contents.dtype.name(),
            "which": which, "missing": missing,
        }));
        document.line(Prose::plain(head));
        document.push(Limited {
            most: LONGEST_TEXT,
            body: vec![Block::Array(show::elements(contents))],
            otherwise: Some(format!("`%show {}` shows its elements", wanted.buffer).into()),
        });
    }
    notes.iter().for_each(|note| document.line(note));
    Ok(document.with_facts(json!({"dumped": facts, "notes": notes})).output())
}
