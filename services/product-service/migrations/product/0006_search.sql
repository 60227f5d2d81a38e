-- Searches compare each name with the words less often, which is most of what they do: two times in place of three, and once for
-- whoever does not ask how much a name is like them.

-- As 0005 has it, but for the operator: it is the index's own. With the same one the other way round Postgres asks of each name
-- that is like the words a second time whether it is.
create or replace function product.like_words(words text) returns table (product_id uuid, relevance bigint)
    language plpgsql stable strict parallel safe rows 20 set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    wanted constant tsquery := websearch_to_tsquery('english', words);
begin
    return query
        select id, round((ts_rank(search, wanted) + product.word_similarity(words, name)) * 1000000)::bigint
        from product.products
        where deleted_at is null and (search @@ wanted or name operator(product.%>) words);
end $$;

-- The same products, for those who count them or have them in another order.
create function product.with_words(words text) returns table (product_id uuid)
    language plpgsql stable strict parallel safe rows 20 set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    wanted constant tsquery := websearch_to_tsquery('english', words);
begin
    return query
        select id from product.products
        where deleted_at is null and (search @@ wanted or name operator(product.%>) words);
end $$;
