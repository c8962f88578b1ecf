/*
A linear model as a processor in C99, with the functions that PAI-EAS calls.

The model is a text file with a bias and a weight for each feature. A request has a row of features
on each line, separated by commas. The answer has a score on each line. The answer to an empty
request says how many numbers a row has.
*/
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t features;
    double *weights; /* of the features, followed by the bias */
} Model;

/* A text that grows; `text` is NULL after memory ran out. */
typedef struct {
    char *text;
    size_t size, space;
} Buffer;

static void append(Buffer *buffer, const char *format, ...) {
    char piece[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (buffer->size + length > buffer->space) {
        buffer->space = 2 * buffer->space + sizeof piece;
        char *grown = realloc(buffer->text, buffer->space);
        if (grown == NULL) free(buffer->text);
        buffer->text = grown;
    }
    if (buffer->text == NULL) return;
    memcpy(buffer->text + buffer->size, piece, length);
    buffer->size += length;
}

/* The caller frees the output, whatever the status. */
static int answer(int status, Buffer *buffer, void **output, int *output_size) {
    *output = buffer->text;
    *output_size = buffer->text == NULL ? 0 : (int)buffer->size;
    return buffer->text == NULL && buffer->space > 0 ? 500 : status;
}

static Model *read_model(FILE *file) {
    Model *model = calloc(1, sizeof *model);
    double bias, weight;
    if (model == NULL || fscanf(file, "%lf", &bias) != 1) return NULL;
    while (fscanf(file, "%lf", &weight) == 1) {
        double *grown = realloc(model->weights, (model->features + 2) * sizeof *grown);
        if (grown == NULL) return NULL;
        model->weights = grown;
        model->weights[model->features++] = weight;
        model->weights[model->features] = bias;
    }
    return model->features > 0 && feof(file) ? model : NULL;
}

/* Called once when the service starts. Any state but 0 fails the start. */
void *initialize(const char *model_entry, const char *model_config, int *state) {
    (void)model_config;
    *state = 1;
    FILE *file = fopen(model_entry, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", model_entry, strerror(errno));
        return NULL;
    }
    Model *model = read_model(file);
    fclose(file);
    if (model == NULL) {
        fprintf(stderr, "%s: expected a bias and weights, all numbers\n", model_entry);
        return NULL;
    }
    *state = 0;
    return model;
}

/* Read the row at *text into *score and move behind it; return 0 if it is not a valid row. */
static int score_row(const Model *model, char **text, double *score) {
    *score = model->weights[model->features];
    for (size_t i = 0; i < model->features; i++) {
        char *end;
        double value = strtod(*text, &end);
        char expected = i + 1 < model->features ? ',' : '\n';
        if (end == *text || (*end != expected && !(*end == '\0' && expected == '\n'))) return 0;
        *score += value * model->weights[i];
        *text = *end == '\0' ? end : end + 1;
    }
    return 1;
}

/* Called for each request, by several threads at a time, so the model is only read. */
int process(void *model_buf, const void *input_data, int input_size, void **output_data,
            int *output_size) {
    const Model *model = model_buf;
    Buffer buffer = {NULL, 0, 0};
    /* The input has no terminating zero and must not be written to. */
    char *input = malloc((size_t)input_size + 1), *text = input;
    if (input == NULL) return 500;
    memcpy(input, input_data, input_size);
    input[input_size] = '\0';
    int status = 200;
    if (input_size == 0) append(&buffer, "a row has %zu numbers\n", model->features);
    for (int row = 1; *text != '\0' && status == 200; row++) {
        double score;
        if (score_row(model, &text, &score)) {
            append(&buffer, "%.9g\n", score);
        } else {
            status = 400;
            buffer.size = 0;
            append(&buffer, "row %d: expected %zu numbers with commas between them\n", row,
                   model->features);
        }
    }
    free(input);
    return answer(status, &buffer, output_data, output_size);
}
