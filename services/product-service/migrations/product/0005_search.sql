-- Products whose words or names are like these, and how much: a whole number, so that a page begins exactly where the one before
-- has ended.
--
-- A function for the sake of plans. To make one for a search takes Postgres longer than to search; it makes one each time, as it
-- takes words that it knows to fit fewer products than words that it does not. Here it keeps one, and to whoever calls this
-- all words are alike.
create function product.like_words(words text) returns table (product_id uuid, relevance bigint)
    language plpgsql stable strict parallel safe rows 20 set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    wanted constant tsquery := websearch_to_tsquery('english', words);
begin
    return query
        select id, round((ts_rank(search, wanted) + product.word_similarity(words, name)) * 1000000)::bigint
        from product.products
        where deleted_at is null and (search @@ wanted or words operator(product.<%) name);
end $$;
