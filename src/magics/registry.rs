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
