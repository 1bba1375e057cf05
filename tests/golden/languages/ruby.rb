# What a shop sells.
module Shop
  # A basket.
  class Basket < Base
    attr_reader :items

    def initialize(items)
      @items = items
    end

    # Adds up all prices.
    # None is negative.
    def total(least = 0, *rest, unit: :euro)
      sum = 0
      items.each do |item|
        next if item.price.nil? && least > 0
        sum = add(sum, item.price)
      end
      sum.positive? ? self.half(sum) : Money.none
    rescue ArgumentError
      0
    end

    def self.of(*items)
      new(items.compact.map { |one| one * 2 })
    end

    def ==(other)
      case other
      when Basket then items == other.items
      end
    end

    def empty?
    end

    private

    def add(a, b) = a + b

    def half(price)
      price / 2
    end
  end
end

def Money.none
  nil
end

=begin
Says it in a block.
=end
def block(price)
  price * 2
end

shop = Object.new
def shop.open(hour)
  hour > 8
end
