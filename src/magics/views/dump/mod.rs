//! `%dump`: any value of a kernel's TTIR or TTGIR as a whole tensor, which becomes a named buffer.

mod launch;
mod select;

use std::ops::Range;

use serde_json::json;

use self::launch::{Collected, Dumping};
use self::select::Selection;
use super::subject::{Subject, Words, told};
use crate::compiler::{CompileRequest, Stage};
use crate::device::Recipe;
use crate::diagnostic::{Diagnostic, Result, Source, nearest};
use crate::ir::probe::ValueType;
use crate::ir::values::{self, Definition, Obstacle};
use crate::magics::buffers::{buf, show};
use crate::magics::edit::{artifact, readable};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec, edit};
use crate::render::Output;
use crate::workspace::{Context, Workspace};

/// `%dump [KERNEL[@VERSION]] %VALUE…`.
pub struct Dump;

const SPEC: Spec = Spec {
    name: "dump",
    kind: Kind::Line,
    summary: "any value of a kernel's TTGIR or TTIR as a whole tensor",
    usage: "[KERNEL[@VERSION]] %VALUE… [--stage ttir] [--program X,Y,Z] [--iteration N] [--as NAME]",
    details: "The kernel is compiled again from that stage with stores of the values behind their definitions, and \
              launched as it was launched last, on what the buffers hold now, which they keep. `%27` becomes the buffer \
              `dump_27`, in its own type (pointers as i64). `all` for a program's coordinate or an iteration adds a \
              dimension: `%dump %27 --program all,0`, and by itself a value in a loop has one for its iterations.",
    options: &[
        OptionSpec { name: "--stage", value: "STAGE", help: "`ttgir` (the default) or `ttir`" },
        OptionSpec { name: "--program", value: "X,Y,Z", help: "of which program, 0,0,0 unless said; or `all`" },
        OptionSpec {
            name: "--iteration",
            value: "N",
            help: "of which iteration of the loops around it, outermost first",
        },
        OptionSpec { name: "--line", value: "N", help: "the definition at this line of the stage's text, of several" },
        OptionSpec { name: "--as", value: "NAME", help: "the buffer's name; apart by commas for several values" },
    ],
};

/// Bytes of the text; elements beyond them are left to `%show`.
const LONGEST_TEXT: usize = 3000;

/// A value that is wanted.
struct Wanted {
    definition: Definition,
    ty: ValueType,
    /// The buffer's name.
    buffer: String,
    /// Where it stands in the cell.
    span: Range<usize>,
}

impl Magic for Dump {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        let cell = &call.cell.text;
        let is_value = |word: &&Range<usize>| cell[(*word).clone()].starts_with('%');
        let spans: Vec<Range<usize>> = words.positional.iter().filter(is_value).cloned().collect();
        let mut named = words.positional.iter().filter(|word| !is_value(word));
        let subject = Subject::of(named.next(), call, workspace)?;
        if let Some(word) = named.next() {
            let error = Diagnostic::error("unexpected-argument", "only one kernel is dumped");
            return Err(Box::new(error.at(word.clone(), "")));
        }
        if spans.is_empty() {
            let error = Diagnostic::error("missing-argument", "`%dump` wants values").at(call.name.clone(), "");
            return Err(Box::new(error.help("`%dump %27`: `%stages` shows the text with the values' names")));
        }
        let stage = match words.option("--stage") {
            None => Stage::Ttgir,
            Some(span) => match cell[span.clone()].parse() {
                Ok(stage @ (Stage::Ttir | Stage::Ttgir)) => stage,
                _ => {
                    let error = Diagnostic::error("option-value", "values are dumped of `ttgir` or `ttir`");
                    return Err(Box::new(error.at(span, "")));
                }
            },
        };
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let Some(launched) = kernel.launch.clone() else {
            let message = format!("`{}` was never launched, so its arguments are not known", subject.name);
            let error = Diagnostic::error("never-launched", message).at(call.arguments.clone(), "");
            return Err(Box::new(error.help(format!("`%launch {}[GRID](ARGUMENTS)`", subject.name))));
        };
        let found = artifact(kernel, &subject.version, stage);
        let found = found.map_err(|error| Box::new(error.at(call.arguments.clone(), "")))?;
        let text = without_comment(&readable(stage, found));
        let entry = subject.version.meta.entry.value.clone();
        let definitions = values::definitions(&text, &entry);
        let line = match words.option("--line") {
            None => None,
            Some(span) => Some(cell[span.clone()].parse::<usize>().map_err(|_| {
                Box::new(Diagnostic::error("option-value", "`--line` takes the number of a line").at(span, ""))
            })?),
        };
        let names = words.option("--as").map(|span| (cell[span.clone()].split(',').collect::<Vec<_>>(), span));
        if let Some((names, span)) = &names
            && (names.len() != spans.len() || !names.iter().all(|name| is_identifier(name)))
        {
            let error = Diagnostic::error("option-value", "`--as` takes a name for each value");
            return Err(Box::new(error.at(span.clone(), format!("for {} value(s)", spans.len()))));
        }
        let mut wanted = Vec::new();
        for (at, span) in spans.into_iter().enumerate() {
            let definition =
                find(&definitions, &cell[span.clone()], line).map_err(|error| Box::new(error.at(span.clone(), "")))?;
            let ty = type_of(&subject, stage, &text, definition, workspace, context)?;
            let ty = ValueType::parse(&ty).map_err(|why| {
                let error = Diagnostic::error("not-dumped", format!("`{}` cannot be dumped: {why}", definition.name));
                Box::new(error.at(span.clone(), "").note(format!("its type: {ty}")))
            })?;
            let buffer = match names.as_ref().and_then(|(names, _)| names.get(at)) {
                Some(name) => (*name).to_owned(),
                None => format!("dump_{}", definition.name.trim_start_matches('%').replace(['#', '.', '-', '$'], "_")),
            };
            wanted.push(Wanted { definition: definition.clone(), ty, buffer, span });
        }
        let selection = Selection::of(&words, cell)?;
        let dumping = Dumping { subject: &subject, stage, text: &text, launched: &launched, wanted: &wanted };
        let (collected, notes) = dumping.run(&selection, workspace, context)?;
        output(&subject, stage, &wanted, collected, &notes, workspace).map(Some)
    }
}

/// The text with its `warpbook:` comment blanked out: what that says of the parameters is no longer so.
fn without_comment(text: &str) -> String {
    let keep =
        |line: &str| if line.trim_start().starts_with("// warpbook:") { "\n".to_owned() } else { line.to_owned() };
    text.split_inclusive('\n').map(keep).collect()
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The definition that a name means.
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
            return Err(Box::new(match (parts.first(), parts.last()) {
                (Some(first), Some(last)) => error.help(format!("it has several results: `{first}` to `{last}`")),
                _ if all().next().is_some() => error.note(format!("it is defined at line {}", lines(&mut all()))),
                _ => match nearest(name, definitions.iter().map(|definition| definition.name.as_str())) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`%stages` shows the text with the values' names"),
                },
            }));
        }
        several => {
            let error = Diagnostic::error("unknown-value", format!("{} values are called `{name}`", several.len()));
            let lines = lines(&mut several.iter().copied());
            return Err(Box::new(error.help(format!("`--line` says which one: {lines}"))));
        }
    };
    let why = match &definition.obstacle {
        None => return Ok(definition),
        Some(Obstacle::Function(function)) => format!("it is in `{function}`, which the kernel calls"),
        Some(Obstacle::Region(operation)) => format!("it is inside of a `{operation}`, where nothing can be stored"),
        Some(Obstacle::Partition) => "it is in a partition of a warp specialisation".to_owned(),
        Some(Obstacle::While) => "it is in a `scf.while`, whose iterations have no number".to_owned(),
    };
    Err(Box::new(Diagnostic::error("not-dumped", format!("`{name}` cannot be dumped: {why}"))))
}

/// The type of a value, in the words of MLIR's parser: it is told to use the value as something else.
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
    let request = subject.request(stage, Stage::Llir, &lines.join("\n"), workspace);
    let found = workspace.compiler.value_type(&request, context.cancel, &mut |news| told(news, context));
    found.map_err(|failure| in_text(*failure.diagnostic, subject, &request))
}

/// An error that speaks of the text that was compiled.
fn in_text(error: Diagnostic, subject: &Subject, request: &CompileRequest) -> Box<Diagnostic> {
    let source = Source::new(format!("{}.{}", subject.name, request.entry), request.text.clone());
    Box::new(error.in_source(&source))
}

fn output(
    subject: &Subject,
    stage: Stage,
    wanted: &[Wanted],
    collected: Vec<Collected>,
    notes: &[String],
    workspace: &mut Workspace,
) -> Result<Output> {
    let headline = format!("{} · {stage}", subject.headline());
    let (mut text, mut html) = (headline.clone(), format!("<div><div><b>{headline}</b></div>"));
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
        let (elements, table) = show::elements(contents);
        text += &format!("\n{head}");
        if text.len() + elements.len() < LONGEST_TEXT {
            text += &format!("\n{elements}");
        } else {
            text += &format!("\n`%show {}` shows its elements", wanted.buffer);
        }
        html += &format!("<div>{}</div>{table}", crate::render::escape_html(&head));
    }
    for note in notes {
        text += &format!("\n{note}");
        html += &format!("<div>{}</div>", crate::render::escape_html(note));
    }
    html += "</div>";
    Ok(Output::text(text).with_html(html).with_facts(json!({"dumped": facts, "notes": notes})))
}
