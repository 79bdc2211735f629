//! The kinds of value that arguments take. A kind that one magic alone has stands in the file of that magic.

mod language;
mod path;
mod place;
mod session;
mod values;

pub use language::{Assignment, Assignments, Expression, Launch, new_name};
pub use path::FilePath;
pub use place::{Block, Coordinates, inside};
pub use session::{BufferName, Device, DeviceName, Dtyped, Kernel, KernelName, StageName, TargetName, TritonVersion};
pub use values::{Choice, List, Maybe, Number, Placed, Seconds, Switch, Text, VersionNumber, values};
