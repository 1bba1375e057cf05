<?php
namespace Shop;

use Shop\Money;

/**
 * Adds two prices.
 */
function add(int $a, int $b = 1): int
{
    return $a + $b;
}

abstract class Basket implements Priced
{
    use Counted;

    public function __construct(private array $items)
    {
    }

    // Adds up all prices.
    #[Pure]
    final public function total(int $least = 0): int
    {
        $sum = 0;
        foreach ($this->items as $item) {
            if ($item === null || $least > 0) {
                continue;
            }
            $sum = add($sum, $this->half($item->price()));
        }
        return $sum ?: Money::none();
    }

    abstract protected function sold(Item $item): void;

    private function half(int $price): int
    {
        $cut = function ($x) { return $x / 2; };
        return self::checked($cut($price)) ?? 0;
    }

    public static function checked($price) { return $price; }
}

interface Priced
{
    public function total(int $least): int;
}

trait Counted
{
    public function count()
    {
        return count($this->items) + 1;
    }
}

/**
 * @param string $to
 */
function mail_to(string $to): void
{
    mail($to, $to);
}
