//! A version of a kernel with the launch that is to be repeated.

use std::sync::Arc;

use crate::expression::LaunchHeader;
use crate::workspace::{LaunchSpec, Version};
use warpbook_compiler::Artifact;
use warpbook_diagnostic::Source;

/// A version of a kernel, and how it is to be launched.
pub struct Again {
    /// The kernel's name.
    pub name: String,
    /// Which of its versions.
    pub version: Version,
    /// Grid and arguments: the call's own, or those of the last launch.
    pub launch: LaunchSpec,
}

impl Again {
    /// A version, launched as its kernel was launched last, but for keywords that are constants of its code: they are
    /// as it was compiled.
    pub fn of(name: &str, version: &Version, launch: &LaunchSpec) -> Self {
        let mut header = LaunchHeader::clone(&launch.header);
        if let Some(binding) = &version.binding {
            let is_runtime = |name: &str| binding.params.iter().any(|param| param.name == name);
            let is_constant = |name: &str| binding.constants.iter().any(|(known, _)| known == name);
            header.keywords.retain(|keyword| is_runtime(&keyword.name) || !is_constant(&keyword.name));
        }
        let launch = LaunchSpec { source: launch.source.clone(), header: Arc::new(header) };
        Self { name: name.to_owned(), version: version.clone(), launch }
    }

    /// The kernel's text as the reader knows it.
    pub fn text(&self) -> Source {
        let extension = if self.version.entered.is_python() { "py" } else { self.version.entered.name() };
        let entered = self.version.artifact(self.version.entered).and_then(Artifact::text).unwrap_or_default();
        Source::new(format!("{}.{extension}", self.name), entered)
    }
}
