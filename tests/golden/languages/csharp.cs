using System;

namespace Shop.Sales
{
    /// <summary>
    /// A basket.
    /// </summary>
    public abstract class Basket<T> : IPriced where T : Item
    {
        public int Size { get; set; }

        public Basket(int size) : base()
        {
            Size = size;
        }

        // Adds up all prices.
        [Obsolete("use Sum")]
        [Pure]
        public virtual int Total(int least = 0)
        {
            int Twice(int x) => x * 2;
            foreach (var item in items)
            {
                if (item == null && least > 0) continue;
                Size = Add(Size, this.Twice(item.Price));
            }
            return Size > 0 ? Money.None() ?? 1 : 0;
        }

        private static int Add(int a, int b) => a + b;

        public abstract void Sold(T item);
    }

    public interface IPriced
    {
        int Total(int least);
    }

    public struct Money
    {
        public static int? None() => null;
    }

    public partial class Till
#if SHOP_CLOSES
        : IClosable
#endif
    {
        /// <summary>
        /// Takes what <see cref="T:Shop.Basket"/> owes.
        /// </summary>
        /// <param name="given">What was given.</param>

        public int Take(int given)
        {
            return given - 1;
        }

        /// <inheritdoc/>
        public int Close(int given) => given * 2;
    }
}

namespace Shop.Sums
{
    public sealed class Sum
    {
        ~Sum() { Close(true, false); Log(1); }

        public static Sum operator +(Sum one, Sum two) => new Sum(one.cents + two.cents);

        public static explicit operator int(Sum one) { return one.cents / 100; }
    }
}

namespace Shop.Versions
{
    public class Till
    {
#if SPANS || NEWER
        public int Sum(ReadOnlySpan<int> coins)
#else
        public int Sum(int[] coins)
#endif
        {
            return coins.Length > 0 ? coins[0] : 0;
        }

#if false
        public int Old(int[] coins) => coins[0] + 1;
#endif
    }
}
