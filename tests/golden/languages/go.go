// Package shop sells things.
package shop

import (
	"errors"
	money "example.com/shop/pkg/coins"
)

// Item is a thing.
type Item struct {
	Price int
}

type Seller interface {
	Sell(item Item) error
}

// Add puts two prices together.
// It refuses negative ones.
func Add(a, b int) (int, error) {
	if a < 0 || b < 0 {
		return 0, errors.New("negative")
	}
	return a + b, nil
}

//go:noinline
func (item *Item) Raise(by int) int {
	sum, err := Add(item.Price, by)
	if err != nil {
		return item.Keep()
	}
	item.Price = sum
	return money.Round(sum)
}

func (item Item) Keep() int { return item.Price }

func (s *Stack[T]) Push(value T) {
	for i := range s.items {
		s.items[i] = value
	}
	double := func(x int) int { return x * 2 }
	double(len(s.items))
}

func asm(x int) int

func Map[T, U any](
	items []T,
	change func(T) U,
) []U {
	var made []U
	for _, item := range items {
		made = append(made, change(item))
	}
	return made
}

// Twice is kept in a variable.
var Twice = func(x int) int {
	return x * 2
}

//export Half
func Half(x int) int { return x / 2 }
