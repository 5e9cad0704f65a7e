// SPDX-License-Identifier: Apache-2.0
package org.apache.spark.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/**
 * Estimates pi by throwing darts at a square, some partitions at a time.
 *
 * <p>Stands in for the class of the same name in Spark's examples, which no package registry offers: same name, same
 * argument (the number of partitions, 2 unless given), same line of output.
 */
public final class SparkPi {
    private static final int DARTS_PER_PARTITION = 100_000;

    private SparkPi() {}

    private static long hits(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long hits = 0;
        for (int dart = 0; dart < DARTS_PER_PARTITION; dart++) {
            double x = random.nextDouble(-1, 1);
            double y = random.nextDouble(-1, 1);
            if (x * x + y * y <= 1) {
                hits++;
            }
        }
        return hits;
    }

    public static void main(String[] arguments) {
        int partitions = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2;
        SparkSession session = SparkSession.builder().appName("Spark Pi").getOrCreate();
        JavaSparkContext context = new JavaSparkContext(session.sparkContext());
        List<Long> seeds = new ArrayList<>();
        for (long partition = 0; partition < partitions; partition++) {
            seeds.add(System.nanoTime() ^ (partition << 48));
        }
        long hits = context.parallelize(seeds, partitions).map(SparkPi::hits).reduce(Long::sum);
        System.out.println("Pi is roughly " + 4.0 * hits / ((double) DARTS_PER_PARTITION * partitions));
        session.stop();
    }
}
