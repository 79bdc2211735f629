//! The table of all magics. It names every one of them, and only the session and the table's own help use it: nothing
//! that a magic is made of may.

use std::ops::Range;

use super::buffers::{Buf, Bufs, Check, Free, Let, Load, Reset, Save, Show};
use super::cells::{Edit, Patch, Relaunch, StageMagic};
use super::magic::Magic;
use super::settings::{Config, DeviceMagic, Move, TargetMagic, TritonMagic};
use super::spec::{Kind, Spec};
use super::views::{
    CompareDevices, CountersMagic, Diff, Dump, Expect, LayoutMagic, Mma, Ncu, PassesMagic, ResourcesMagic, Sanitize,
    Sass, Stages, StepMagic, TimelineMagic, Tma, TraceMagic, Versions, WatchMagic,
};
use warpbook_compiler::Stage;
use warpbook_diagnostic::Diagnostic;

/// Every magic, in the order of the reference.
pub fn registry() -> &'static [&'static dyn Magic] {
    &[
        &StageMagic(Stage::Triton),
        &StageMagic(Stage::Gluon),
        &StageMagic(Stage::Glir),
        &StageMagic(Stage::Ttir),
        &StageMagic(Stage::Ttgir),
        &StageMagic(Stage::Llir),
        &StageMagic(Stage::Ptx),
        &StageMagic(Stage::Cubin),
        &Relaunch,
        &CompareDevices,
        &Sanitize,
        &CountersMagic,
        &TimelineMagic,
        &WatchMagic,
        &TraceMagic,
        &StepMagic,
        &Ncu,
        &Edit,
        &Patch,
        &Versions,
        &Stages,
        &PassesMagic,
        &Diff,
        &LayoutMagic,
        &Dump,
        &Mma,
        &Tma,
        &Sass,
        &ResourcesMagic,
        &Expect,
        &Let,
        &Buf,
        &Bufs,
        &Show,
        &Check,
        &Load,
        &Save,
        &Free,
        &Reset,
        &TargetMagic,
        &DeviceMagic,
        &Move,
        &TritonMagic,
        &Config,
        &super::help::Help { table: registry },
        &super::clear::Clear,
    ]
}

/// The declarations of all magics, in the order of the reference.
pub fn specs() -> impl Iterator<Item = &'static Spec> {
    registry().iter().map(|magic| magic.spec())
}

/// The magic of a name and kind.
pub fn find(name: &str, kind: Kind) -> Option<&'static dyn Magic> {
    registry().iter().copied().find(|magic| magic.spec().name == name && magic.spec().kind == kind)
}

/// The names of all magics of a kind.
pub fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
    specs().filter(move |spec| spec.kind == kind).map(|spec| spec.name)
}

/// The error for a name that no magic of its kind has.
pub fn unknown(name: &str, span: Range<usize>, kind: Kind) -> Diagnostic {
    super::help::unknown(registry(), name, span, Some(kind))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::magics::declare::{Count, Extent, Typed};
    use crate::magics::{Call, Part, help, parts};
    use crate::workspace::Workspace;
    use warpbook_diagnostic::Source;

    #[test]
    fn no_name_is_declared_twice() {
        let mut magics = HashSet::new();
        for spec in specs() {
            assert!(magics.insert(spec.title()), "{} stands in the table twice", spec.title());
            let mut arguments = HashSet::new();
            for argument in spec.arguments.iter().chain(spec.options) {
                assert!(arguments.insert(argument.name()), "{} declares {} twice", spec.title(), argument.name());
            }
        }
    }

    #[test]
    fn every_argument_is_documented() {
        for spec in specs() {
            assert!(!spec.summary.is_empty() && !spec.summary.ends_with('.'), "{}: {}", spec.title(), spec.summary);
            for argument in spec.arguments.iter().chain(spec.options) {
                let (name, help) = (argument.name(), argument.help());
                assert!(!help.is_empty() && !help.ends_with('.'), "{} {name}: {help}", spec.title());
                assert!(!argument.expected().is_empty(), "{} {name}", spec.title());
                let needs_placeholder = argument.extent() != Extent::Nothing;
                assert_eq!(!argument.placeholder().is_empty(), needs_placeholder, "{} {name}", spec.title());
            }
            assert!(spec.options.iter().all(|option| option.name().starts_with("--")), "{}", spec.title());
            assert!(spec.arguments.iter().all(|argument| !argument.name().starts_with('-')), "{}", spec.title());
        }
    }

    #[test]
    fn only_the_last_argument_takes_the_rest() {
        for spec in specs() {
            let before_last = spec.arguments.split_last().map_or(&[][..], |(_, before)| before);
            assert!(before_last.iter().all(|argument| argument.extent() == Extent::Word), "{}", spec.title());
            let several = |count| matches!(count, Count::Several | Count::Any);
            let many = spec.arguments.iter().filter(|argument| several(argument.count())).count();
            assert!(many <= 1, "{}: which words belong to which argument?", spec.title());
        }
    }

    #[test]
    fn help_of_each_magic_shows_all_that_it_declares() {
        for spec in specs() {
            let text = help::text(spec);
            for argument in spec.arguments.iter().chain(spec.options) {
                assert!(text.contains(&argument.label()) && text.contains(argument.help()), "{text}");
            }
            assert!(text.contains(&spec.usage_line()), "{text}");
        }
    }

    #[test]
    fn every_example_is_read_as_it_is_declared() {
        for spec in specs() {
            for example in spec.examples {
                let cell = Source::new("cell", example.cell);
                let parts = parts(example.cell, &|_, _| true);
                let mut uses = 0;
                for part in parts {
                    let Part::Magic { kind, name, arguments, body, .. } = part else { continue };
                    let word = example.cell[name.clone()].trim_start_matches('%').to_owned();
                    let magic = find(&word, kind).unwrap_or_else(|| panic!("{}", example.cell));
                    uses += usize::from(magic.spec().title() == spec.title());
                    let call = Call { cell: &cell, name, arguments, body };
                    if let Err(error) = Typed::parse(&call, magic.spec(), &Workspace::default()) {
                        panic!("{}\n{error}", example.cell);
                    }
                }
                assert!(uses > 0, "`{}` is no example of {}", example.cell, spec.title());
            }
        }
    }
}
