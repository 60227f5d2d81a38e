-- The newest of a category are at the end of its entries.
create index product_categories_by_newest on product.product_categories (category_id, product_id);
drop index product.product_categories_by_category;
