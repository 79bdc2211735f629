//! `%help`, `--help` and what inspection says of a magic: all from its [`Spec`].

use std::ops::Range;

use super::declare::kinds::Text;
use super::declare::{Argument, Typed};
use super::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// The table that `%help` lists: all magics, itself among them.
pub type Table = &'static [&'static dyn Magic];

/// Columns of the names in a list; a longer name pushes its help to the right.
const WIDEST: usize = 28;

/// `%help [NAME]`.
pub struct Help {
    /// Returns the table of all magics. It is handed down by the table itself, so that no magic needs to know it.
    pub table: fn() -> Table,
}

const NAME: Argument<Text> = Argument::optional(
    "NAME",
    Text::new("NAME", "the name of a magic"),
    "the magic, with or without its percent signs; without it, all magics are listed",
);

const SPEC: Spec = Spec {
    name: "help",
    kind: Kind::Line,
    summary: "list the magics, or explain one of them",
    arguments: &[&NAME],
    options: &[],
    details: "`%NAME --help` shows the same as `%help NAME`; `%NAME?` shows it in the pager.",
    examples: &[
        Example { cell: "%help", needs: Needs::Nothing, shows: "%help" },
        Example { cell: "%help show", needs: Needs::Nothing, shows: "usage: %show" },
    ],
};

impl Magic for Help {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn words(&self) -> Vec<String> {
        (self.table)().iter().map(|magic| magic.spec().name.to_owned()).collect()
    }

    fn run(&self, typed: &Typed<'_>, _: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let table = (self.table)();
        let Some(named) = typed.get(&NAME) else { return Ok(Some(Output::text(overview(table)))) };
        let name = named.value.trim_start_matches('%');
        let of_kind = |kind| specs(table).filter(move |spec| spec.name == name && spec.kind == kind);
        let found: Vec<String> = of_kind(Kind::Line).chain(of_kind(Kind::Cell)).map(text).collect();
        if found.is_empty() {
            return Err(unknown(table, name, named.span.clone(), None));
        }
        Ok(Some(Output::text(found.join("\n\n"))))
    }
}

fn specs(table: Table) -> impl Iterator<Item = &'static Spec> {
    table.iter().map(|magic| magic.spec())
}

/// The error for a name that no magic has. With a kind (the percent signs say it) only magics of that kind are suggested.
pub fn unknown(table: Table, name: &str, span: Range<usize>, kind: Option<Kind>) -> Diagnostic {
    let error = Diagnostic::error("unknown-magic", format!("no magic is named `{name}`")).at(span, "");
    if let Some(other) = specs(table).find(|spec| spec.name == name) {
        return error.help(format!("`{}` exists", other.title()));
    }
    if matches!(name, "amdgcn" | "hsaco" | "rocdl") {
        let what = format!("`{name}` is a stage of Triton's AMD back end: Warpbook compiles for NVIDIA GPUs");
        return error.note(what).help("`%%llir`, `%%ptx` and `%%cubin` are the stages after TTGIR");
    }
    let candidates = specs(table).filter(|spec| kind.is_none_or(|kind| spec.kind == kind));
    match nearest(name, candidates.map(|spec| spec.name)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`%help` lists the magics"),
    }
}

/// All that is known of a magic, as text.
pub fn text(spec: &Spec) -> String {
    let mut text = format!("{}: {}\n\nusage: {}", spec.title(), spec.summary, spec.usage_line());
    let options = spec.options.iter().map(|option| (option.label(), option.help()));
    text += &list("arguments", spec.arguments.iter().map(|argument| (argument.label(), argument.help())).collect());
    text += &list("options", options.collect());
    if !spec.details.is_empty() {
        text += &format!("\n\n{}", spec.details);
    }
    if !spec.examples.is_empty() {
        text += "\n\nexamples:";
        for line in spec.examples.iter().flat_map(|example| example.cell.lines()) {
            text += &format!("\n  {line}");
        }
    }
    text
}

/// Names under a title, each with what it is; nothing where there are no names.
fn list(title: &str, rows: Vec<(String, &str)>) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(WIDEST);
    let lines: Vec<String> = rows.into_iter().map(|(name, help)| format!("\n  {name:width$}  {help}")).collect();
    if lines.is_empty() { String::new() } else { format!("\n\n{title}:{}", lines.concat()) }
}

fn overview(table: Table) -> String {
    let width = specs(table).map(|spec| spec.title().len()).max().unwrap_or(0);
    let lines = specs(table).map(|spec| format!("{:width$}  {}", spec.title(), spec.summary));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text += "\n\nA cell that begins with no magic is Rust.";
    text
}
