//! What stands behind the socket of a device host.

use super::protocol::{DriverError, Reply, Request};

/// The reply to a request, or why there is none.
pub type Answer = Result<Reply, DriverError>;

/// A GPU, or what stands in for one.
pub trait Backend {
    /// Carries out a request.
    fn answer(&mut self, request: Request) -> Answer;
    /// Turns a failed request into a reply: it is refused, or the device is lost.
    fn failed(&mut self, error: DriverError) -> Reply;
}
