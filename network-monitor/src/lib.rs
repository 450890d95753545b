//! The network monitor: asks each service of a list for its health again and again, and tells people and Prometheus
//! what they said.
//!
//! [`settings`] is the list, [`check`] asks one service, [`record`] keeps what was answered, [`report`] writes it down in
//! two forms, and [`serve`] answers requests. Only [`check`] and [`serve`] touch the network; the clock is read in
//! [`serve`] alone. It finds no services by itself, keeps nothing on a disk, and raises no alarm: that is for Prometheus.

pub mod check;
pub mod record;
pub mod report;
pub mod serve;
pub mod settings;
