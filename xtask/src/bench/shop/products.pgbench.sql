-- What product-service asks its database for an order of two lines that is paid, in its order and in its transactions.
\set one random(1, 5000)
\set other random(5001, 10000)
select gen_random_uuid() as id, 'P' || :one::int || '-1' as one_sku, 'P' || :other::int || '-1' as other_sku, repeat('x', 300) as text \gset
select variants.sku, product_id, products.name || ', ' || variants.name, (select coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'minor', minor) order by currency), '[]') from product.prices where prices.sku = variants.sku), (select coalesce(sum(on_hand - reserved), 0)::bigint from product.stock where stock.sku = variants.sku) from product.variants join product.products on products.id = product_id where variants.sku = any (array[:one_sku, :other_sku]) and variants.deleted_at is null and products.deleted_at is null and products.status = 'active' order by variants.sku;
begin;
insert into product.reservations (id, owner, state, expires_at) values (:id, 'order-service', 'active', clock_timestamp() + make_interval(secs => 1500)) on conflict (id) do nothing returning expires_at;
select stock.sku, count(*), max(low_at), coalesce(array_agg(bucket order by bucket) filter (where on_hand > reserved), '{}') from product.stock join product.variants on variants.sku = stock.sku join product.products on products.id = variants.product_id where stock.sku = any (array[:one_sku, :other_sku]) and variants.deleted_at is null and products.deleted_at is null and products.status = 'active' group by stock.sku;
update product.stock set reserved = reserved + 2 where sku = least(:one_sku, :other_sku) and bucket = 0 and on_hand - reserved >= 2 returning on_hand - reserved;
update product.stock set reserved = reserved + 1 where sku = greatest(:one_sku, :other_sku) and bucket = 0 and on_hand - reserved >= 1 returning on_hand - reserved;
with line as (insert into product.reservation_lines (reservation_id, sku, bucket, quantity) select :id, * from unnest(array[least(:one_sku, :other_sku), greatest(:one_sku, :other_sku)], array[0, 0]::smallint[], array[2, 1]::bigint[]) returning sku, bucket, quantity) insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor) select sku, bucket, 'reserved', 0, quantity, :id, 'order-service' from line;
with locked as materialized (select pg_advisory_xact_lock(hashtextextended('flotilla-outbox/' || :id::text, 0))) insert into messaging.outbox (id, key, partition, kind, event) select gen_random_uuid(), :id, 1, 'shop.stock.reservation.created.v1', jsonb_build_object('data', :text::text) from locked;
commit;
begin;
select id from product.reservations where id = :id for update;
select owner, state, expires_at from product.reservations where id = :id;
select sku, sum(quantity)::bigint from product.reservation_lines where reservation_id = :id group by sku order by sku;
select expires_at <= clock_timestamp() from product.reservations where id = :id;
select sku from product.stock where (sku, bucket) in (select sku, bucket from product.reservation_lines where reservation_id = any (array[:id]::uuid[])) order by sku, bucket for update;
with line as (select sku, bucket, sum(quantity)::bigint as quantity from product.reservation_lines where reservation_id = any (array[:id]::uuid[]) group by sku, bucket), changed as (update product.stock set on_hand = on_hand - quantity, reserved = reserved - quantity from line where stock.sku = line.sku and stock.bucket = line.bucket returning stock.sku, on_hand - reserved as available, 0 as delta) insert into product.stock_checks (sku) select changed.sku from changed join product.variants on variants.sku = changed.sku where delta <> 0 and available - greatest(delta, 0) <= low_at;
insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor) select sku, bucket, 'committed', -quantity, -quantity, reservation_id, 'order-service' from product.reservation_lines where reservation_id = any (array[:id]::uuid[]) order by reservation_id, sku, bucket;
update product.reservations set state = 'committed', settled_at = now() where id = any (array[:id]::uuid[]);
with locked as materialized (select pg_advisory_xact_lock(hashtextextended('flotilla-outbox/' || :id::text, 0))) insert into messaging.outbox (id, key, partition, kind, event) select gen_random_uuid(), :id, 1, 'shop.stock.reservation.committed.v1', jsonb_build_object('data', :text::text) from locked;
commit;
