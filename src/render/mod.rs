//! What a cell shows. A view makes a [`Document`] of its facts; text, HTML and numbers come from that one value.

pub mod array;
pub mod diff;
pub mod document;
pub mod grid;
pub mod meter;
mod numbers;
mod output;
pub mod player;
pub mod plot;
pub mod prose;
mod script;
pub mod sequence;
mod sheet;
pub mod stages;
pub mod table;
pub mod timeline;

pub use document::{Alternative, Block, Document, Fold, Limited};
pub use numbers::{bytes_text, grouped};
pub use output::{FACTS, Output};
pub use prose::{Prose, Style};
pub use table::{Cell, Column, Cut, Table};
