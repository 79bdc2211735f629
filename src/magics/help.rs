//! `%help`, `--help` and what inspection says of a magic: all from its [`Spec`].

use std::ops::Range;

use super::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// The table that `%help` lists: all magics, itself among them.
pub type Table = &'static [&'static dyn Magic];

/// `%help [NAME]`.
pub struct Help {
    /// Returns the table of all magics. It is handed down by the table itself, so that no magic needs to know it.
    pub table: fn() -> Table,
}

const SPEC: Spec = Spec {
    name: "help",
    kind: Kind::Line,
    summary: "list the magics, or say what one does",
    usage: "[NAME]",
    details: "`%NAME --help` says the same as `%help NAME`; `%NAME?` shows it in the pager.",
    options: &[],
};

impl Magic for Help {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn words(&self) -> Vec<String> {
        (self.table)().iter().map(|magic| magic.spec().name.to_owned()).collect()
    }

    fn run(&self, call: &Call<'_>, _: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let name = call.arguments_text().trim_start_matches('%');
        let table = (self.table)();
        if name.is_empty() {
            return Ok(Some(Output::text(overview(table))));
        }
        let of_kind = |kind| specs(table).filter(move |spec| spec.name == name && spec.kind == kind);
        let found: Vec<String> = of_kind(Kind::Line).chain(of_kind(Kind::Cell)).map(text).collect();
        if found.is_empty() {
            return Err(unknown(table, name, call.arguments.clone(), None));
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
    let candidates = specs(table).filter(|spec| kind.is_none_or(|kind| spec.kind == kind));
    match nearest(name, candidates.map(|spec| spec.name)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`%help` lists the magics"),
    }
}

/// All that is known of a magic, as text.
pub fn text(spec: &Spec) -> String {
    let mut text = format!("{}: {}", spec.title(), spec.summary);
    if !spec.usage.is_empty() {
        text += &format!("\n\nusage: {} {}", spec.title(), spec.usage);
    }
    if !spec.options.is_empty() {
        text += "\n\noptions:";
        let label = |option: &OptionSpec| match option.value {
            "" => option.name.to_owned(),
            value => format!("{} {value}", option.name),
        };
        let width = spec.options.iter().map(|option| label(option).chars().count()).max().unwrap_or(0);
        for option in spec.options {
            text += &format!("\n  {:width$}  {}", label(option), option.help);
        }
    }
    if !spec.details.is_empty() {
        text += &format!("\n\n{}", spec.details);
    }
    text
}

fn overview(table: Table) -> String {
    let width = specs(table).map(|spec| spec.title().len()).max().unwrap_or(0);
    let lines = specs(table).map(|spec| format!("{:width$}  {}", spec.title(), spec.summary));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text += "\n\nA cell that begins with no magic is Rust.";
    text
}
