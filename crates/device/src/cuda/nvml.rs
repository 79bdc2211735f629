//! NVML, the management library of the driver: the version of its package, clocks, reasons for throttling.

use nvml_wrapper::Nvml;

/// Opens the library; `None` where the machine has none. It is opened without its development link, which a machine that
/// only runs programs lacks.
pub fn open() -> Option<Nvml> {
    Nvml::builder().lib_path("libnvidia-ml.so.1".as_ref()).init().ok()
}

/// The version of the driver's package (`580.159.04`), where NVML is there.
pub fn driver_package() -> Option<String> {
    open()?.sys_driver_version().ok()
}
