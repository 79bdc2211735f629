//! Paths of files, with completion from the file system.

use super::values::Placed;
use crate::magics::declare::argument::{Candidates, Input, Takes};
use crate::workspace::Workspace;
use warpbook_diagnostic::Result;

/// Names of a folder that completion offers at most.
const OFFERED: usize = 200;

/// A path; one with blanks stands in quotes. Relative paths begin at the notebook's directory.
#[derive(Clone, Copy, Debug)]
pub struct FilePath {
    /// Stands for the path in usage lines.
    pub placeholder: &'static str,
    /// What has to be given, as [`Takes::expected`].
    pub expected: &'static str,
    /// Extensions, without the point, of the files that completion offers; all if empty.
    pub extensions: &'static [&'static str],
}

impl Takes for FilePath {
    type Value = Placed<String>;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        self.expected.to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Placed<String>> {
        Ok(Placed { value: input.text.to_owned(), span: input.span.clone() })
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        let kept = typed.rfind('/').map_or(0, |slash| slash + 1);
        let (folder, begun) = typed.split_at(kept);
        let folder = if folder.is_empty() { "." } else { folder };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let is_known = || self.extensions.iter().any(|known| name.ends_with(&format!(".{known}")));
                let is_offered = is_folder || self.extensions.is_empty() || is_known();
                let is_hidden = name.starts_with('.') && !begun.starts_with('.');
                (is_offered && !is_hidden && name.starts_with(begun)).then(|| match is_folder {
                    true => format!("{name}/"),
                    false => name,
                })
            })
            .take(OFFERED)
            .collect();
        names.sort_unstable();
        Candidates { kept, names }
    }
}
