//! The links of county schools as a model: seeded, sans-IO, the same in the simulation
//! (`tests/sim`) and in the relay for real browsers (`zhuandi relay`).
//!
//! * [`model`] one direction of a link: queue, rate, delay, jitter, loss, outages, and changes of
//!   all of these in mid-run;
//! * [`weather`] what is random about it: losses and the wandering of delay;
//! * [`profiles`] N1–N8 (the links that schools have) and the links of single faults.

pub mod model;
pub mod profiles;
pub mod weather;
