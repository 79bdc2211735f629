//! `%help`, `--help` and what inspection says of a magic: all from its [`Spec`].

use super::{Call, Kind, Magic, Spec, find, registry};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `%help [NAME]`.
pub struct Help;

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
        registry().iter().map(|magic| magic.spec().name.to_owned()).collect()
    }

    fn run(&self, call: &Call<'_>, _: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let name = call.arguments_text().trim_start_matches('%');
        if name.is_empty() {
            return Ok(Some(Output::text(overview())));
        }
        let found: Vec<String> =
            [Kind::Line, Kind::Cell].into_iter().filter_map(|kind| find(name, kind)).map(|m| text(m.spec())).collect();
        if found.is_empty() {
            return Err(unknown(name, call.arguments.clone(), None));
        }
        Ok(Some(Output::text(found.join("\n\n"))))
    }
}

/// The error for a name that no magic has. `kind`, where the percent signs say it, asks for a suggestion of that kind.
pub fn unknown(name: &str, span: std::ops::Range<usize>, kind: Option<Kind>) -> Box<Diagnostic> {
    let error = Diagnostic::error("unknown-magic", format!("no magic is named `{name}`")).at(span, "");
    let specs = || registry().iter().map(|magic| magic.spec());
    if let Some(other) = specs().find(|spec| spec.name == name) {
        return error.help(format!("`{}` exists", title(other))).into();
    }
    let candidates = specs().filter(|spec| kind.is_none_or(|kind| spec.kind == kind));
    match nearest(name, candidates.map(|spec| spec.name)) {
        Some(near) => error.help(format!("did you mean `{near}`?")).into(),
        None => error.help("`%help` lists the magics").into(),
    }
}

/// All that is known of a magic, as text.
pub fn text(spec: &Spec) -> String {
    let mut text = format!("{}: {}", title(spec), spec.summary);
    if !spec.usage.is_empty() {
        text += &format!("\n\nusage: {} {}", title(spec), spec.usage);
    }
    if !spec.options.is_empty() {
        text += "\n\noptions:";
        let label = |option: &super::OptionSpec| match option.value {
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

/// The name with its percent signs.
fn title(spec: &Spec) -> String {
    match spec.kind {
        Kind::Line => format!("%{}", spec.name),
        Kind::Cell => format!("%%{}", spec.name),
    }
}

fn overview() -> String {
    let width = registry().iter().map(|magic| title(magic.spec()).len()).max().unwrap_or(0);
    let lines = registry().iter().map(|magic| format!("{:width$}  {}", title(magic.spec()), magic.spec().summary));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text += "\n\nA cell that begins with no magic is Rust.";
    text
}
