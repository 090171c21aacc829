"""The shop: products on shelves, customers who order them, and a page that adds it all up."""
