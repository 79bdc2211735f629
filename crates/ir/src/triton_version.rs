//! The versions of Triton that Warpbook works with, and what each can do.

use std::fmt;

/// A version of Triton, as far as it decides what that version can do. The text of a version may say more (`3.4.0+git1a2b`, a
/// build of the reader's own); it is the text that names an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TritonVersion {
    major: u32,
    minor: u32,
}

impl TritonVersion {
    /// The version that is used unless another is chosen.
    pub const DEFAULT: &'static str = "3.4.0";
    /// The versions that Warpbook works with, oldest first.
    pub const SUPPORTED: [&'static str; 8] = ["3.2.0", "3.3.1", "3.4.0", "3.5.1", "3.6.0", "3.7.1", "3.8.0", "3.9.0"];
    /// The version that Gluon cells are compiled with where the chosen one's Gluon lacks too much.
    pub const FOR_GLUON: &'static str = "3.6.0";

    /// The version that cells of GLIR are compiled with where the chosen one has no such stage.
    pub const FOR_GLIR: &'static str = "3.9.0";

    /// The version that a text names. A text that names none counts as newer than all: it is a build of the reader's own.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(u32::MAX));
        let (major, minor) = (parts.next().unwrap_or(u32::MAX), parts.next().unwrap_or(u32::MAX));
        Self { major, minor }
    }

    const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// True if the version's Gluon has what the examples of Gluon's own documentation use.
    pub fn has_gluon(self) -> bool {
        self >= Self::new(3, 6)
    }

    /// True if Gluon's front end has a stage of its own, `glir`, before TTGIR.
    pub fn has_glir(self) -> bool {
        self >= Self::new(3, 9)
    }

    /// True if conversions of layouts move copies that lanes hold of each other's elements by shuffles, as if each copy were
    /// an element of its own. Older versions go through shared memory then.
    pub fn shuffles_copies(self) -> bool {
        self >= Self::new(3, 5)
    }

    /// The least minor version of Python 3 that its wheels are made for.
    pub fn least_python_minor(self) -> u32 {
        if self >= Self::new(3, 9) { 11 } else { 10 }
    }
}

impl fmt::Display for TritonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The dialect of MLIR that TTGIR is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GpuDialect {
    /// `ttg`, from Triton 3.3 on.
    Ttg,
    /// `triton_gpu`, up to Triton 3.2.
    TritonGpu,
}

impl GpuDialect {
    /// The dialect of a text of TTGIR.
    pub fn detect(text: &str) -> Self {
        if text.contains("triton_gpu.") { Self::TritonGpu } else { Self::Ttg }
    }

    /// The dialect's name, before the dot of its operations and attributes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ttg => "ttg",
            Self::TritonGpu => "triton_gpu",
        }
    }

    /// The name of an operation, an attribute or a type without the dialect, if it is of either of them: `num-warps`.
    pub fn strip(name: &str) -> Option<&str> {
        let (dialect, rest) = name.split_once('.')?;
        [Self::Ttg, Self::TritonGpu].iter().any(|known| known.name() == dialect).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_can_what_they_can() {
        let versions = TritonVersion::SUPPORTED.map(TritonVersion::parse);
        assert!(versions.is_sorted());
        assert_eq!(versions.map(TritonVersion::has_gluon), [false, false, false, false, true, true, true, true]);
        assert_eq!(versions.map(TritonVersion::shuffles_copies), [false, false, false, true, true, true, true, true]);
        assert_eq!(versions.map(TritonVersion::least_python_minor), [10, 10, 10, 10, 10, 10, 10, 11]);
        assert!(TritonVersion::SUPPORTED.contains(&TritonVersion::DEFAULT));
        assert!(TritonVersion::parse(TritonVersion::FOR_GLUON).has_gluon());
        assert!(TritonVersion::parse(TritonVersion::FOR_GLIR).has_glir());
    }

    #[test]
    fn builds_of_ones_own_are_read() {
        assert_eq!(TritonVersion::parse("3.4.0+git1a2b"), TritonVersion::parse("3.4.0"));
        assert!(TritonVersion::parse("main") > TritonVersion::parse("3.9.0"));
        assert_eq!(TritonVersion::parse("3.10.0").to_string(), "3.10");
        assert!(TritonVersion::parse("3.10.0") > TritonVersion::parse("3.9.0"));
    }

    #[test]
    fn both_dialects_are_known() {
        assert_eq!(GpuDialect::detect("#triton_gpu.blocked<{}>"), GpuDialect::TritonGpu);
        assert_eq!(GpuDialect::detect("#ttg.blocked<{}>").name(), "ttg");
        assert_eq!(
            ["ttg.num-warps", "triton_gpu.num-warps", "tt.num-warps"].map(GpuDialect::strip),
            [Some("num-warps"), Some("num-warps"), None]
        );
    }
}
