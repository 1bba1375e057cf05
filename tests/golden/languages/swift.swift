import Foundation

/// Adds two prices.
/// Never fails.
@inlinable
public func add(_ a: Int, to b: Int = 1) -> Int {
    return a + b
}

protocol Priced {
    func price(at date: Date) -> Int
}

final class Basket<T: Priced>: Base {
    private var items: [T]

    init(items: [T]) {
        self.items = items
    }

    // Adds up all prices.
    @discardableResult
    override func total(least: Int) throws -> Int {
        var sum = 0
        for item in items {
            guard item.price(at: now) > least && sum > 0 else { continue }
            sum = add(sum, to: self.half(sum))
        }
        func inner(_ x: Int) -> Int { return x + 1 }
        switch sum {
        case 0: return Money.none()
        default: return sum > 1 ? inner(sum) : 0
        }
    }

    private func half(_ price: Int) -> Int {
        if price > 3 { return price / 2 }
        return price
    }
}

extension Basket {
    func empty() -> Bool { return true }
}

struct Money {
    static func none() -> Int { 0 }
}

final class Sum {
    deinit { if open { close() } }

    subscript(index: Int) -> Int {
        return parts[index + 1]
    }

    /// Puts two together.
    static func + (one: Sum, two: Sum) -> Int { one.cents + two.cents }
}
