//! The two services of the incident: a scheduler that charges subscriptions, and the payment
//! module that it asks. They know of no simulator: whoever runs them brings sockets and a clock.

pub mod calendar;
pub mod clock;
pub mod money;
pub mod payment;
pub mod scheduler;
pub mod storage;
pub mod subscription;
