//! What a shop sells.
use std::fmt;

/// Adds two prices.
///
/// Never fails.
#[inline]
pub fn add(a: u32, b: u32) -> u32 {
    a + b
}

trait Priced {
    fn price(&self) -> u32;

    fn twice(&self) -> u32 {
        self.price() * 2
    }
}

pub struct Basket<T> {
    items: Vec<T>,
}

impl<T: Priced> Basket<T> {
    pub const fn new(items: Vec<T>) -> Self {
        Self { items }
    }

    pub fn total(&self) -> Result<u32, fmt::Error> {
        let mut sum = 0;
        for item in &self.items {
            sum = match item.price() {
                0 => self.none()?,
                price if price > 9 && sum > 0 => add(sum, 9),
                price => tax::with(price),
            };
        }
        Ok(sum)
    }

    fn none(&self) -> Result<u32, fmt::Error> {
        todo!()
    }
}

impl<T> fmt::Display for Basket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn inner(x: u32) -> u32 {
            x + 1
        }
        write!(f, "{}", inner(self.items.len() as u32))
    }
}

mod tax {
    pub async fn with<'a>(price: u32) -> u32
    where
        u32: Copy,
    {
        if let Some(rate) = rate() { price * rate } else { super::add(price, 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helper() -> u32 {
        add(1, 2) + 1
    }

    #[test]
    fn adds() {
        assert_eq!(helper(), 4);
    }
}

#[cfg(not(test))]
impl Priced for u8 {
    fn price(&self) -> u32 {
        u32::from(*self) * 100
    }
}

impl<T> Priced for [T] {
    fn price(&self) -> u32 {
        self.len() as u32 * 2
    }
}

/** Waits. */ async fn wait(one: Waiting) {
    tokio::select! {
        _ = one.ready() => { add(1, 2); }
    }
}

#[test] fn at_once() { assert_eq!(add(1, 1), 2) }
fn after(a: u32) -> u32 { a + 1 }
