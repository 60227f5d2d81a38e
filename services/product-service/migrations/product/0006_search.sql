-- Searches cost Postgres less: names are compared with the words two times in place of three, and once for whoever does not ask
-- how much a name is like them. And what a list shows comes with what is found: to look for it by its id takes as long again as
-- to read it here.

-- Products whose words or names are like these, as `product.products` has them; with how much they are, if they are to be ranked.
-- The operator is the index's own: with the same one the other way round Postgres asks of each name that is like the words a
-- second time whether it is. `product.like_words` of 0005 is for a service that is still to be replaced.
create function product.found(words text, is_ranked boolean)
    returns table (id uuid, slug text, name text, status text, attributes jsonb, images jsonb, relevance bigint)
    language plpgsql stable strict parallel safe rows 20 set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    wanted constant tsquery := websearch_to_tsquery('english', words);
begin
    return query
        select id, slug, name, status, attributes, images, case when is_ranked then
            round((ts_rank(search, wanted) + product.word_similarity(words, name)) * 1000000)::bigint
        end
        from product.products
        where deleted_at is null and (search @@ wanted or name operator(product.%>) words);
end $$;
