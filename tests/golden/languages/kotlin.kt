package shop

import shop.money.none

/**
 * Adds two prices.
 */
@JvmStatic
fun add(a: Int, b: Int = 1): Int {
    return a + b
}

interface Priced {
    fun price(): Int
    fun twice() = price() * 2
}

data class Basket<T : Priced>(val items: List<T>) : Base() {
    // Adds up all prices.
    @Throws(Empty::class)
    override suspend fun total(least: Int): Int {
        var sum = 0
        for (item in items) {
            when {
                item.price() > least && sum > 0 -> sum = add(sum, item.price())
                else -> this.sold(item)
            }
        }
        fun half(x: Int): Int = x / 2
        return if (sum > 0) half(sum) else Money.none()
    }

    fun sold(item: T) {}

    companion object {
        fun of(vararg items: Int) = items.filter { it > 0 }.map { it * 2 }
    }
}

object Money {
    fun none(): Int = 0
}

fun String.shout(): String = uppercase() + "!"

class Sum(val cents: Int) {
    /** From whole ones. */
    constructor(whole: Int, rest: Int) : this(whole * 100 + rest) {
        if (rest > 99) throw IllegalArgumentException()
    }
}

sealed interface 状態 {
    data class 開(val 数: Int) : 状態 { fun 倍() = 数 * 2 }
}
