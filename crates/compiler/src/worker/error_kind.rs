//! What the worker can find wrong: one list for both sides.

use serde::Deserialize;

/// Declares the kinds, with the name that both sides send and show.
macro_rules! error_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kind of an error that the worker reports. The Python side's list is generated from this one.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[serde(from = "String")]
        pub enum ErrorKind {
            $($(#[$doc])* $variant,)*
            /// A kind that this side does not know: the two sides are not of one version.
            Unknown(String),
        }

        impl ErrorKind {
            /// Every kind but the unknown ones, with its name.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)*];
        }
    };
}

error_kinds! {
    /// An option that the compiler does not have.
    UnknownOption = "unknown-option",
    /// TTGIR without its number of warps.
    NoNumWarps = "no-num-warps",
    /// An option that the text contradicts.
    OptionConflict = "option-conflict",
    /// A stage that this compiler does not have.
    Stage = "stage",
    /// A cell without a kernel, or a name that is not a kernel.
    NoKernel = "no-kernel",
    /// A name that no kernel of the cell has.
    UnknownKernel = "unknown-kernel",
    /// A name that no function has.
    UnknownName = "unknown-name",
    /// A configuration that the autotuner does not have, or that sets what the launch sets.
    Config = "config",
    /// More arguments than parameters.
    TooManyArguments = "too-many-arguments",
    /// A parameter that is given by position and by name.
    ArgumentTwice = "argument-twice",
    /// A name that is neither a parameter nor an option.
    UnknownArgument = "unknown-argument",
    /// An argument that cannot be evaluated, or that is not for its parameter.
    Argument = "argument",
    /// A parameter without an argument and without a default.
    MissingArgument = "missing-argument",
    /// A kernel of a package that cannot be taken out of it.
    From = "from",
    /// A name that no pass has.
    UnknownPass = "unknown-pass",
    /// A tool of NVIDIA's that this Triton comes without.
    NoTool = "no-tool",
    /// Machine code that nvdisasm does not take.
    Disassembler = "disassembler",
    /// An error of Triton's front end.
    Triton = "triton",
    /// Any other exception of Python's.
    Python = "python",
    /// A mistake of the worker's.
    Internal = "internal",
}

impl ErrorKind {
    /// The code of the diagnostic that is made of it.
    pub fn code(&self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| kind == self).map_or("worker", |(_, name)| name)
    }
}

impl From<String> for ErrorKind {
    fn from(name: String) -> Self {
        let known = Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| kind.clone());
        known.unwrap_or(Self::Unknown(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of the Python side.
    fn python_module() -> String {
        let mut text =
            "\"\"\"Generated from `ErrorKind` in crates/compiler/src/worker/error_kind.rs, whose test holds \
                        this file.\"\"\"\n\nfrom enum import Enum\n\n\nclass ErrorKind(str, Enum):\n    \"\"\"What is \
                        wrong: the kernel's error codes are made of it.\"\"\"\n\n"
                .to_owned();
        for (_, name) in ErrorKind::ALL {
            text += &format!("    {} = \"{name}\"\n", name.replace('-', "_").to_uppercase());
        }
        text
    }

    /// Python checks that only these are raised (mypy); this test, that both sides have the same.
    #[test]
    fn the_python_side_has_the_same_kinds() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/warpbook_worker/error_kind.py");
        let (found, expected) = (std::fs::read_to_string(&path).unwrap_or_default(), python_module());
        if found != expected && std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &expected).expect("written");
            return;
        }
        assert_eq!(found, expected, "UPDATE_GENERATED=1 writes {}", path.display());
    }

    #[test]
    fn names_lead_back_to_their_kinds() {
        for (kind, name) in ErrorKind::ALL {
            assert_eq!((ErrorKind::from((*name).to_owned()), kind.code()), (kind.clone(), *name));
        }
        let unknown = ErrorKind::from("new".to_owned());
        assert_eq!((unknown.code(), unknown), ("worker", ErrorKind::Unknown("new".to_owned())));
    }
}
